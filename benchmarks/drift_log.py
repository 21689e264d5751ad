"""A prediction log as the compactor leaves it, written for ``benchmarks.drift``."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.home import Home
from services.predictions.columns import table as typed
from services.predictions.folder import Folder
from services.predictions.labels import MATCHED_TYPES
from services.predictions.typed import Builder

PROJECT, MODEL, VERSION = "bench", "model", 3
OF = PROJECT, MODEL, VERSION


def features(home: Home, table: pa.Table, at: np.ndarray, name: str = "part") -> list[str]:
    """Write typed columns, a file a day, and return the ids of the requests.

    Args:
        home: Where everything is.
        table: Its columns are ``input.…`` and ``output.…``.
        at: When each row was answered, in seconds since 1970, in order.
        name: Of the files.
    """
    ids = ids_of(at)
    moments, count = (at * 1e6).astype("int64"), len(ids)
    fixed: dict[str, Any] = {
        "id": ids, "answered_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "version": np.full(count, VERSION), "shadow": np.zeros(count, dtype=bool),
        "row": np.zeros(count, dtype="int64"),
    }  # fmt: skip
    for column, values in fixed.items():
        table = table.append_column(column, [pa.array(values)])
    for day, begin, end in _days(at):
        place = Folder(home).of_features(*OF, day)
        _write(place / f"{name}.parquet", table.slice(begin, end - begin))
    return ids


def without_waiting() -> None:
    """Let this process write to disks without waiting for them: nobody needs the files again."""
    os.fsync = lambda _: None  # type: ignore[assignment]


def ids_of(at: np.ndarray) -> list[str]:
    """Return the ids of requests that were answered then, in order."""
    moments = (at * 1e6).astype("int64")
    return [f"{one // 1000:012x}7{n:019x}" for n, one in enumerate(moments)]


def requests(home: Home, vectors: np.ndarray, answers: np.ndarray, at: np.ndarray) -> list[str]:
    """Write requests of one row, as JSON and as typed columns, and return their ids.

    Args:
        home: Where everything is.
        vectors: The input ``x`` of each: rows × elements, or rows × height × width.
        answers: The output ``label`` of each.
        at: When each was answered, in seconds since 1970, in order.
    """
    ids = ids_of(at)
    rows, builder = [], Builder()
    for one, vector, answer, moment in zip(ids, vectors, answers, at, strict=True):
        at_us = int(moment * 1e6)
        said = (
            orjson.dumps({"x": [vector.tolist()]}).decode(),
            orjson.dumps({"label": [int(answer)]}).decode(),
        )
        builder.add(one, at_us, VERSION, False, 1, *said)  # noqa: FBT003  NEEDED, in order
        rows.append((
            one, at_us, PROJECT, MODEL, VERSION, "v2", "", 1, 200, 1.0, 1.0, 0.0, "", "", "", None,
            False, "", "full", *said,
        ))  # fmt: skip
    made = builder.table()
    assert made is not None
    for day, begin, end in _days(at):
        _write(Folder(home).of_features(*OF, day) / "part.parquet", made.slice(begin, end - begin))
        _write(Folder(home).of_rows(PROJECT, MODEL, day) / "part.parquet", typed(rows[begin:end]))
    return ids


def labels(
    home: Home, ids: Sequence[str], at: np.ndarray, said_at: np.ndarray, answers: Sequence[int],
    said: Sequence[int],
) -> None:  # fmt: skip
    """Write labels beside what was answered; ``at`` as of ``features``, in order."""
    rows = [
        (
            ids[n], round(said_at[n] * 1e6), round(at[n] * 1e6), VERSION, "", "full",
            orjson.dumps(said[n]).decode(), orjson.dumps({"label": [answers[n]]}).decode(),
        )
        for n in range(len(ids))
    ]  # fmt: skip
    for day, begin, end in _days(at):
        place = Folder(home).of_feedback(PROJECT, MODEL, day)
        _write(place / "part.parquet", typed(rows[begin:end], MATCHED_TYPES))


def _days(at: np.ndarray) -> list[tuple[str, int, int]]:
    """Return each day with the place of its first moment and of the one after its last."""
    number = (at // 86_400.0).astype(int)
    found = []
    for one in np.unique(number):
        begin, end = np.searchsorted(number, [one, one + 1])
        day = datetime.fromtimestamp(float(one) * 86_400.0, UTC)
        found.append((f"{day:%Y-%m-%d}", int(begin), int(end)))
    return found


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
