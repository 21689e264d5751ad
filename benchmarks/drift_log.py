"""A prediction log as the compactor leaves it, written for ``benchmarks.drift``."""

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
    moments = (at * 1e6).astype("int64")
    ids = [f"{one // 1000:012x}7{n:019x}" for n, one in enumerate(moments)]
    count = len(ids)
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
