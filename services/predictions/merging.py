"""Many small Parquet files become few, without a record lost or doubled at any moment.

Twelve of a day become one, twelve of those one, and what is left of a day when it is over. The new
file and the list of those it stands for are in place before they go: see ``folder.Partition``.
"""

import contextlib
import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.predictions import parquet, typed
from services.predictions.folder import MERGED, PARQUET, Folder, Partition, day, sources

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

logger = logging.getLogger(__name__)

MANY = 12
LARGE_BYTES = 96 << 20
"""So large, a file is left as it is."""

STAYS_S = 10.0
"""A file stays so long after another stands for it: who listed the folder before still reads it."""

_LAST = 9
_GROUP_BYTES = 32 << 20
_LEVEL = re.compile(rf"^{MERGED}(\d)-")
_SETTLED_S = 3600.0
"""After midnight, until late records of the day before are in."""


@dataclass(slots=True)
class Merging:
    """Merges the files of all partitions."""

    folder: Folder

    def run(self, now_s: float) -> int:
        """Merge what is many; return how many files went into others.

        Raises:
            OSError: No room; everything is as it was.
        """
        import pyarrow as pa

        unfinished = frozenset(path.stem for path in self.folder.segments())
        today = day(now_s - _SETTLED_S)
        gone = 0
        for partition in self.folder.all():
            try:
                _finish(partition, now_s)
                for group in _groups(partition, unfinished, over=partition.day < today):
                    _merge(partition.path, group)
                    gone += len(group)
            except FileNotFoundError:
                continue
            except pa.ArrowException:
                self._set_aside_damaged(partition)
        return gone

    def _set_aside_damaged(self, partition: Partition) -> None:
        """Move what cannot be read away, so that the rest can."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in partition.files():
            try:
                with pq.ParquetFile(path) as file:
                    for number in range(file.num_row_groups):
                        file.read_row_group(number)
            except (pa.ArrowException, OSError) as error:
                name = f"{hashlib.sha256(str(path).encode()).hexdigest()[:8]}-{path.name}"
                aside = self.folder.quarantine / name
                sentence = f"{path} is damaged ({error}): it is now {aside}."
                logger.warning("%s", sentence)
                self.folder.quarantine.mkdir(exist_ok=True)
                path.replace(aside)
                said = self.folder.quarantine / f"{name}.txt"
                said.write_text(sentence, encoding="utf-8")


def _finish(partition: Partition, now_s: float) -> None:
    """Remove the files for which another stands."""
    for said in partition.path.glob(f"{MERGED}*.json"):
        merged = said.with_suffix(PARQUET)
        if not merged.exists():  # killed in between
            said.unlink()
        elif said.stat().st_mtime <= now_s - STAYS_S:
            for name in sources(merged):
                (partition.path / name).unlink(missing_ok=True)
            parquet.settle(partition.path)
            said.unlink()


def _groups(
    partition: Partition, unfinished: frozenset[str], *, over: bool
) -> Iterator[list[Path]]:
    """Yield files to make one of."""
    levels: dict[int, list[Path]] = defaultdict(list)
    for path in partition.files(unfinished):
        if path.stat().st_size < LARGE_BYTES:
            found = _LEVEL.match(path.name)
            levels[int(found[1]) if found and not over else 0].append(path)
    for paths in levels.values():
        group: list[Path] = []
        for path in paths:
            group.append(path)
            full = sum(one.stat().st_size for one in group) >= LARGE_BYTES
            if full or (len(group) >= MANY and not over):
                yield group
                group = []
        if over and len(group) > 1:
            yield group


def _merge(folder: Path, paths: Sequence[Path]) -> None:
    import pyarrow.parquet as pq

    names = [path.name for path in paths]
    level = min(_LAST, 1 + max(int(m[1]) if (m := _LEVEL.match(n)) else 0 for n in names))
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(pq.ParquetFile(path)) for path in paths]
        schema = typed.unified(one.schema_arrow for one in files)
        keep = _keep(files, schema)
        tables = _grouped(_tables(files, schema, keep))
        parquet.write_merged(folder, f"{MERGED}{level}-{digest}", names, schema, tables)


def _keep(files: Sequence[Any], schema: "pa.Schema") -> "np.ndarray[Any, Any] | None":
    """Return which rows are not there twice; None when all. Each label of a request is one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    key = [name for name in ("id", "version", "shadow", "row", "said_at") if name in schema.names]
    table = pa.concat_tables([one.read(columns=key) for one in files])
    ids = table["id"] if "row" not in key else table.filter(pc.field("row") == 0)["id"]
    if pc.count_distinct(ids).as_py() == len(ids):  # almost always
        return None
    number = pa.array(np.arange(len(table)))
    firsts = table.append_column("number", number).group_by(key).aggregate([("number", "min")])
    keep = np.zeros(len(table), dtype=bool)
    keep[firsts["number_min"].to_numpy()] = True
    return keep


def _tables(
    files: Sequence[Any], schema: "pa.Schema", keep: "np.ndarray[Any, Any] | None"
) -> Iterator["pa.Table"]:
    at = 0
    for one in files:
        for number in range(one.num_row_groups):
            table = typed.fitted(one.read_row_group(number), schema)
            if keep is not None:
                table, at = table.filter(keep[at : at + len(table)]), at + len(table)
            yield table


def _grouped(tables: Iterator["pa.Table"]) -> Iterator["pa.Table"]:
    """Yield them in pieces that are worth a row group, each by time."""
    import pyarrow as pa

    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if (
            sum(len(one) for one in waiting) >= parquet.GROUP_ROWS
            or sum(one.nbytes for one in waiting) >= _GROUP_BYTES
        ):
            yield pa.concat_tables(waiting).sort_by(_by(waiting[0]))
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).sort_by(_by(waiting[0]))


def _by(table: "pa.Table") -> str:
    return "said_at" if "said_at" in table.schema.names else "answered_at"
