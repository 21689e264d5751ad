"""Parquet files that are whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.errors import PlatformError
from services.predictions.columns import FEW
from services.predictions.folder import PARQUET

if TYPE_CHECKING:
    import pyarrow as pa

PART = ".new-"
"""How files begin that are being written."""

GROUP_ROWS = 1 << 17
_WIDE_ROWS = 1 << 14
"""Of predictions, with their JSON: to look at one, a row group is unpacked."""
_LEVEL = 3


def read(path: Path, names: Sequence[str] | None = None) -> "pa.Table":
    """Return a file's columns; all of them when ``names`` is left out.

    Raises:
        OSError: It is gone.
        PlatformError: It is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if names is None else list(names))
    except pa.ArrowException as error:
        raise PlatformError(
            f"The prediction log cannot be read: {path} is damaged ({error}).",
            "Move it away: the others are read.",
        ) from error


def write(folder: Path, name: str, table: "pa.Table") -> None:
    """Write a table under a name without ending, over one of that name.

    Raises:
        OSError: No room; nothing changed.
    """
    with _written(folder, name + PARQUET) as part:
        save(part, table.schema, [table])


def save(path: Path, schema: "pa.Schema", tables: Iterable["pa.Table"]) -> None:
    """Write tables as row groups, compressed.

    Raises:
        OSError: No room.
    """
    import pyarrow.parquet as pq

    wide = "inputs" in schema.names
    few = [name for name in schema.names if name in FEW]
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=_LEVEL, use_dictionary=few
    ) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=_WIDE_ROWS if wide else GROUP_ROWS)


@contextlib.contextmanager
def _written(folder: Path, name: str) -> Iterator[Path]:
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    handle, part_name = tempfile.mkstemp(prefix=PART, dir=folder)
    part = Path(part_name)
    try:
        yield part
        os.fsync(handle)
        part.replace(folder / name)
    except BaseException:  # whoever writes into it may raise anything: raised again
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    settle(folder, *(one.parent for one in new))


def write_merged(
    folder: Path,
    name: str,
    sources: Iterable[str],
    schema: "pa.Schema",
    tables: Iterable["pa.Table"],
) -> None:
    """Write a file that stands for others: from the last step on they count no longer.

    Raises:
        OSError: No room; the others count as before.
    """
    with _written(folder, name + PARQUET) as part:
        save(part, schema, tables)
        with _written(folder, f"{name}.json") as said:
            said.write_bytes(orjson.dumps({"v": 1, "sources": list(sources)}))


def settle(*folders: Path) -> None:
    """Wait until the disk knows the names in folders."""
    for path in folders:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
