"""The two sides that are compared, read from the prediction log and labels.

Every function may raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.causes import comparing
from services.causes.case import Numbers, Places, Rows, Side
from services.causes.data_checks import INPUT
from services.home import Home
from services.predictions import circumstances
from services.predictions import monitoring as log

if TYPE_CHECKING:
    import pyarrow as pa

DAY_S = 86_400.0
MOST = 20_000
"""Requests of each side, the newest before the onset and the newest of all."""
COLUMN_ROWS = 5_000
"""Rows whose inputs and outputs are read, of each side."""
_KNOWN = 0.9
"""Share of the requests whose waiting must be told for latency to be taken apart."""
_STATE = {"thermal": "thermal_level", "pressure": "memory_pressure", "low_power": "low_power_mode"}
_TEXTS = {"version": "version", "api": "api", "key": "key_id", "backend": "backend",
          "host": "host", "error": "error"}  # fmt: skip
_BAD, _FAILED = 400, 500


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of one side as they were answered."""

    since: float
    until: float
    ids: tuple[str, ...]
    rows: Rows
    status: Numbers
    latency: Numbers
    queue: Numbers


def requests(
    home: Home,
    project: str,
    model: str,
    since: float,
    until: float,
    restarts: tuple[float, ...] = (),
    *,
    ids: Collection[str] | None = None,
) -> Asked:
    """Return the newest requests of a stretch, at most ``MOST``, all versions.

    ``ids``: these alone; None: all.
    """
    table = circumstances.read(home, project, model, since, until, MOST, ids)
    told: dict[str, Any] = {"at": _figures(table, "answered_s"), "rows": _figures(table, "rows")}
    told |= {name: table[column].to_pylist() for name, column in _TEXTS.items()}
    told["row_bytes"] = _figures(table, "row_bytes")
    told |= _states(table["host_state"].to_pylist())
    begin = float(told["at"][0]) if len(table) else since
    return Asked(
        begin,
        until,
        tuple(table["id"].to_pylist()),
        Rows.of(told, restarts),
        _figures(table, "status"),
        _figures(table, "latency_ms"),
        _figures(table, "queue_ms"),
    )


def _figures(table: "pa.Table", name: str) -> Numbers:
    values = table[name].to_pylist()
    return np.array([np.nan if one is None else one for one in values], dtype=float)


def _states(texts: Sequence[str | None]) -> dict[str, Numbers]:
    """Return what the gateway noted of its machine with each request."""
    read = {text: _state(text) for text in set(texts)}
    return {
        name: np.array([read[text].get(metric, np.nan) for text in texts], dtype=float)
        for name, metric in _STATE.items()
    }


def _state(text: str | None) -> Mapping[str, float]:
    try:
        said = orjson.loads(text or "null")
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: float(value) for name, value in said.items() if isinstance(value, int | float)}


# Latency and errors


def slow(then: Asked, now: Asked) -> tuple[Side, Side]:
    """Return the sides with the latency of what was answered, in ms, waiting apart where known.

    Latencies count up to the hundredth longest of both sides: a few of a minute are no mean.
    """
    sides = [_answered(one) for one in (then, now)]
    if not all(len(latency) for _, latency, _ in sides):
        return tuple(side_of(one, places, {}) for one, (places, _, _) in _both(then, now, sides))  # type: ignore[return-value]
    cap = comparing.capped(sides[0][1], sides[1][1])
    waits = all(np.isfinite(queue).mean() >= _KNOWN for _, _, queue in sides)
    made = []
    for one, (places, latency, queue) in _both(then, now, sides):
        whole = np.minimum(latency, cap)
        if waits:
            waited = np.clip(np.nan_to_num(queue), 0.0, whole)
            made.append(side_of(one, places, {"queue": waited, "work": whole - waited}))
        else:
            made.append(side_of(one, places, {"whole": whole}))
    return made[0], made[1]


_Answered = tuple[Places, Numbers, Numbers]


def _answered(one: Asked) -> _Answered:
    places = np.flatnonzero((one.status < _BAD) & np.isfinite(one.latency))
    return places, one.latency[places], one.queue[places]


def _both(
    then: Asked, now: Asked, sides: Sequence[_Answered]
) -> tuple[tuple[Asked, _Answered], tuple[Asked, _Answered]]:
    return (then, sides[0]), (now, sides[1])


def failed(then: Asked, now: Asked) -> tuple[Side, Side]:
    """Return the sides with 1 for a request that failed (5xx), else 0."""
    every = [np.arange(len(one.rows)) for one in (then, now)]
    values = [(one.status >= _FAILED).astype(float) for one in (then, now)]
    return (
        side_of(then, every[0], {"whole": values[0]}),
        side_of(now, every[1], {"whole": values[1]}),
    )


def side_of(
    one: Asked,
    places: Places,
    values: Mapping[str, Numbers],
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Side:
    """Return some requests of a side, by their places, with how they came out."""
    return Side(one.since, one.until, one.rows.take(places), values, columns or {})


# Columns


def with_columns(home: Home, project: str, model: str, one: Asked) -> Side:
    """Return a row a row that was asked, the newest, with inputs and outputs, as yet no values."""
    table = log.features(home, project, model, None, one.since, one.until, newest=COLUMN_ROWS)
    places, kept = _joined(table, one.ids)
    return side_of(one, places, {}, _columns(table, kept))


def _joined(table: "pa.Table", ids: Sequence[str]) -> tuple[Places, Places]:
    """Return which request each row is of, and which rows are of a known one."""
    known = {name: place for place, name in enumerate(ids)}
    found = np.array([known.get(name, -1) for name in table["id"].to_pylist()], dtype=np.int64)
    kept = np.flatnonzero(found >= 0)
    return found[kept], kept


def _columns(table: "pa.Table", kept: Places) -> dict[str, NDArray[Any]]:
    names = [name for name in table.column_names if name.startswith((INPUT, "output."))]
    return {name: column_of(table, name)[kept] for name in names}


def column_of(table: "pa.Table", name: str) -> NDArray[Any]:
    """Return a column as figures, NaN where there is none, else as texts."""
    import pyarrow as pa

    kind = table[name].type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _figures(table, name)
    return np.array([None if v is None else str(v) for v in table[name].to_pylist()], dtype=object)
