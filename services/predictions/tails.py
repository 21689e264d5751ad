"""What is in segments yet: read on from where it was read to, so that a look costs little."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.predictions import columns
from services.predictions.folder import Folder
from services.predictions.segments import FEEDBACK, Row, decoded
from services.predictions.typed import NEEDED, Builder

if TYPE_CHECKING:
    import pyarrow as pa

_PIECES = 64
_Asked = tuple[str, str, int | None]


@dataclass(slots=True)
class Tail:
    """One segment, as far as it was read."""

    path: Path
    read_to: int = 0
    labels: list[Row] = field(default_factory=list)
    _table: "pa.Table | None" = None
    _typed: "dict[_Asked, tuple[int, list[pa.Table]]]" = field(default_factory=dict)

    def refresh(self) -> None:
        """Read what came since.

        Raises:
            FileNotFoundError: It is in Parquet now.
        """
        import pyarrow as pa

        with self.path.open("rb") as file:
            file.seek(self.read_to)
            data = file.read()
        begin = self.read_to
        rows: list[Row] = []
        for _, end, kind, row in decoded(data):
            (self.labels if kind == FEEDBACK else rows).append(row)
            self.read_to = begin + end  # a record that is being written is read the next time
        if rows:
            made = pa.concat_tables([self.table(), columns.table(rows)])
            many = made.column(0).num_chunks > _PIECES
            self._table = made.combine_chunks() if many else made

    def table(self) -> "pa.Table":
        """Return its predictions."""
        return columns.table([]) if self._table is None else self._table

    def typed(self, project: str, model: str, version: int | None) -> "list[pa.Table]":
        """Return the typed columns of a model, of one version or of all."""
        import pyarrow.compute as pc

        done, tables = self._typed.get((project, model, version), (0, []))
        table = self.table()
        wanted = (pc.field("project") == project) & (pc.field("model") == model)
        if version is not None:
            wanted &= pc.field("version") == version
        builder = Builder()
        for row in columns.rows(table.slice(done).filter(wanted), NEEDED):
            builder.add(*row)
        made = builder.table()
        tables = tables if made is None else [*tables, made]
        self._typed[project, model, version] = len(table), tables
        return tables


class Tails:
    """The segments of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._known: dict[str, Tail] = {}

    def look(self) -> "Look":
        """Return what is in segments now.

        Raises:
            FileNotFoundError: One went to Parquet meanwhile: look again.
        """
        with self._guard:
            known = {
                path.stem: self._known.get(path.stem) or Tail(path)
                for path in self._folder.segments()
            }
            self._known = known
            for tail in known.values():
                tail.refresh()
            labels = tuple(row for tail in known.values() for row in tail.labels)
            return Look(frozenset(known), tuple(known.values()), labels, self._guard)


@dataclass(frozen=True, slots=True)
class Look:
    """What was in segments at a moment."""

    names: frozenset[str]
    _tails: Sequence[Tail]
    labels: tuple[Row, ...]
    _guard: threading.Lock

    def table(self) -> "pa.Table":
        """Return the predictions."""
        import pyarrow as pa

        with self._guard:
            return pa.concat_tables([columns.table([]), *(tail.table() for tail in self._tails)])

    def typed(self, project: str, model: str, version: int | None) -> "list[pa.Table]":
        """Return the typed columns of a model, of one version or of all."""
        with self._guard:
            return [t for tail in self._tails for t in tail.typed(project, model, version)]
