"""What is in segments yet: read on from where it was read to, so that a look costs little."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.predictions import columns
from services.predictions.folder import Folder
from services.predictions.segments import FEEDBACK, Row, decoded
from services.predictions.typed import Builder

if TYPE_CHECKING:
    import pyarrow as pa

_PIECES = 64
_PROJECT, _MODEL, _VERSION = 2, 3, 4

_Asked = tuple[str, str, int | None]


@dataclass(slots=True)
class Tail:
    """One segment, as far as it was read."""

    path: Path
    read_to: int = 0
    rows: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    _pieces: "list[pa.Table]" = field(default_factory=list)
    _in_pieces: int = 0
    _typed: "dict[_Asked, tuple[int, list[pa.Table]]]" = field(default_factory=dict)

    def refresh(self) -> None:
        """Read what came since.

        Raises:
            FileNotFoundError: It is in Parquet now.
        """
        with self.path.open("rb") as file:
            file.seek(self.read_to)
            data = file.read()
        begin = self.read_to
        for _, end, kind, row in decoded(data):
            (self.labels if kind == FEEDBACK else self.rows).append(row)
            self.read_to = begin + end  # a record that is being written is read the next time

    def table(self) -> "pa.Table":
        """Return its predictions."""
        import pyarrow as pa

        if self._in_pieces < len(self.rows):
            self._pieces.append(columns.table(self.rows[self._in_pieces :]))
            self._in_pieces = len(self.rows)
        if len(self._pieces) > _PIECES:
            self._pieces = [pa.concat_tables(self._pieces).combine_chunks()]
        return pa.concat_tables(self._pieces or [columns.table([])])

    def typed(self, project: str, model: str, version: int | None) -> "list[pa.Table]":
        """Return the typed columns of a model, of one version or of all."""
        done, tables = self._typed.get((project, model, version), (0, []))
        builder = Builder()
        for row in self.rows[done:]:
            wanted = row[_PROJECT] == project and row[_MODEL] == model
            if wanted and version in (None, row[_VERSION]):
                builder.add(row)
        made = builder.table()
        tables = tables if made is None else [*tables, made]
        self._typed[project, model, version] = len(self.rows), tables
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
