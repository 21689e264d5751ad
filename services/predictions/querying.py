"""DuckDB over Parquet files and segments, as they are at one moment."""

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from services.errors import PlatformError
from services.home import Home
from services.predictions.folder import Folder, Partition, day
from services.predictions.tails import Look, Tails

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_TRIES = 8
_guard = threading.Lock()
_tails: dict[Path, Tails] = {}
_database: "duckdb.DuckDBPyConnection | None" = None

_FILES = "read_parquet($files, hive_partitioning = false, union_by_name = {union})"
_BOTH = f"WITH seen AS (FROM {_FILES} UNION ALL BY NAME FROM tail) "
_PARQUET = f"WITH seen AS (FROM {_FILES}) "
_TAIL = "WITH seen AS (FROM tail) "


def consistently(home: Home, ask: Callable[[Folder, Look], T]) -> T:
    """Return an answer of one moment; asked again when files were merged or removed meanwhile.

    Raises:
        PlatformError: The files cannot be read.
    """
    import duckdb

    folder = Folder(home)
    with _guard:
        tails = _tails.setdefault(folder.path, Tails(folder))
    last: Exception | None = None
    for _ in range(_TRIES):
        try:
            # Segments first: one that is not there any more is in Parquet by now.
            return ask(folder, tails.look())
        except (OSError, duckdb.IOException) as error:
            last = error
        except (duckdb.InvalidInputException, duckdb.OutOfMemoryException) as error:
            # Asking again does not repair a file, and takes as much memory.
            last = error
            break
    raise PlatformError(
        f"The prediction log in {folder.path} cannot be read: {last}.",
        "If a file is named, move it away: the others are read. Else look who owns the folder.",
    ) from last


def days(
    partitions: Sequence[Partition], since: float | None, until: float | None
) -> list[Partition]:
    """Return the folders in which predictions of a stretch of time can be."""
    first = "" if since is None else day(since)
    last = "~" if until is None else day(until)
    return [one for one in partitions if first <= one.day <= last]


def files(
    partitions: Sequence[Partition], look: Look, since: float | None, until: float | None
) -> list[str]:
    """Return the files in which predictions of a stretch of time can be.

    Raises:
        OSError: A folder went meanwhile: look again.
    """
    chosen = days(partitions, since, until)
    return [str(path) for one in chosen for path in one.files(look.names)]


def query(
    sql: str,
    paths: Sequence[str],
    tail: "pa.Table",
    asked: Mapping[str, Any],
    *,
    union: bool = False,
    beside: "Mapping[str, pa.Table] | None" = None,
) -> "duckdb.DuckDBPyRelation":
    """Ask of ``seen``: the rows of files and of the tail; other tables are ``beside``.

    Raises:
        duckdb.IOException: A file went meanwhile: look again.
    """
    begin = _PARQUET if paths and not len(tail) else _BOTH if paths else _TAIL
    cursor = _connection().cursor()
    told: dict[str, Any] = dict(asked)
    for name, table in (beside or {}).items():
        cursor.register(name, table)
    if len(tail) or not paths:
        cursor.register("tail", tail)
    if paths:
        told["files"] = list(paths)
    return cursor.sql(begin.format(union=str(union).lower()) + sql, params=told)


def wanted(ids: Collection[str]) -> "dict[str, pa.Table]":
    """Return requests to be asked ``beside``, as the table ``wanted``."""
    import pyarrow as pa

    return {"wanted": pa.table({"id": pa.array(sorted(set(ids)), pa.string())})}


def _connection() -> "duckdb.DuckDBPyConnection":
    global _database
    import duckdb

    with _guard:
        if _database is None:
            spilled = tempfile.mkdtemp(prefix="mlops-duckdb-")
            atexit.register(shutil.rmtree, spilled, ignore_errors=True)
            _database = duckdb.connect(
                ":memory:",
                config={
                    "autoinstall_known_extensions": "false",
                    "parquet_metadata_cache": "true",
                    "memory_limit": "1GB",
                    "temp_directory": spilled,
                },
            )
        return _database
