"""The two sides that are compared, read from the prediction log and labels.

Every function may raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.causes import comparing
from services.causes.case import Numbers, Places, Rows, Side
from services.causes.data_checks import INPUT, STRANGE
from services.home import Home
from services.monitoring import labels
from services.monitoring.accuracy import errors_of
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
_ROWS_AT_MOST = 50_000
"""Of inputs, read beside labels."""


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
) -> Asked:
    """Return the newest requests of a stretch, at most ``MOST``, all versions."""
    table = circumstances.read(home, project, model, since, until, MOST)
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
        return tuple(_side(one, places, {}) for one, (places, _, _) in _both(then, now, sides))  # type: ignore[return-value]
    cap = comparing.capped(sides[0][1], sides[1][1])
    waits = all(np.isfinite(queue).mean() >= _KNOWN for _, _, queue in sides)
    made = []
    for one, (places, latency, queue) in _both(then, now, sides):
        whole = np.minimum(latency, cap)
        if waits:
            waited = np.clip(np.nan_to_num(queue), 0.0, whole)
            made.append(_side(one, places, {"queue": waited, "work": whole - waited}))
        else:
            made.append(_side(one, places, {"whole": whole}))
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
        _side(then, every[0], {"whole": values[0]}),
        _side(now, every[1], {"whole": values[1]}),
    )


def _side(
    one: Asked,
    places: Places,
    values: Mapping[str, Numbers],
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Side:
    return Side(one.since, one.until, one.rows.take(places), values, columns or {})


# Columns


def with_columns(home: Home, project: str, model: str, one: Asked) -> Side:
    """Return a row a row that was asked, the newest, with inputs and outputs, as yet no values."""
    table = log.features(home, project, model, None, one.since, one.until, newest=COLUMN_ROWS)
    places, kept = _joined(table, one.ids)
    return _side(one, places, {}, _columns(table, kept))


def _joined(table: "pa.Table", ids: Sequence[str]) -> tuple[Places, Places]:
    """Return which request each row is of, and which rows are of a known one."""
    known = {name: place for place, name in enumerate(ids)}
    found = np.array([known.get(name, -1) for name in table["id"].to_pylist()], dtype=np.int64)
    kept = np.flatnonzero(found >= 0)
    return found[kept], kept


def _columns(table: "pa.Table", kept: Places) -> dict[str, NDArray[Any]]:
    names = [name for name in table.column_names if name.startswith((INPUT, "output."))]
    return {name: _column(table, name)[kept] for name in names}


def _column(table: "pa.Table", name: str) -> NDArray[Any]:
    import pyarrow as pa

    kind = table[name].type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _figures(table, name)
    return np.array([None if v is None else str(v) for v in table[name].to_pylist()], dtype=object)


# Labels


@dataclass(frozen=True, slots=True)
class Labels:
    """Both sides as far as labels came."""

    then: Side
    now: Side
    metric: str


def labelled(home: Home, project: str, model: str, then: Asked, now: Asked) -> Labels:
    """Return rows with a label: 1 for a wrong answer, else 0; of figures the absolute error."""
    table = log.paired(home, project, model, then.since, now.until)
    found = labels.paired(table)
    wrong = errors_of(found)
    if found.task == "classification":
        wrong = 1.0 - wrong
    answered = set(found.prediction)
    strange = np.array([one not in answered for one in found.target], dtype=float)
    ids = table["id"].to_pylist()
    number = _numbers(found.label_of)
    keys = [(ids[of], row) for of, row in zip(found.label_of.tolist(), number, strict=True)]
    told = _Told(keys, wrong, strange if found.task == "classification" else None)
    sides = [_of_labels(home, project, model, one, told) for one in (then, now)]
    metric = "wrong answers" if found.task == "classification" else "mean absolute error"
    return Labels(sides[0], sides[1], metric)


@dataclass(frozen=True, slots=True)
class _Told:
    keys: Sequence[tuple[str, int]]
    """Request and row."""
    wrong: Numbers
    strange: Numbers | None


def _numbers(of: Places) -> list[int]:
    """Return which row of its request each is."""
    seen: dict[int, int] = {}
    rows = []
    for one in of.tolist():
        rows.append(seen.get(one, 0))
        seen[one] = rows[-1] + 1
    return rows


def _of_labels(home: Home, project: str, model: str, one: Asked, told: _Told) -> Side:
    known = {name: place for place, name in enumerate(one.ids)}
    pairs = [(known[name], at) for at, (name, _) in enumerate(told.keys) if name in known]
    places = np.array([place for place, _ in pairs], dtype=np.int64)
    mine = np.array([at for _, at in pairs], dtype=np.int64)
    columns = _beside(home, project, model, one, [told.keys[at] for at in mine.tolist()])
    if told.strange is not None:
        columns[STRANGE] = told.strange[mine]
    return _side(one, places, {"whole": told.wrong[mine]}, columns)


def _beside(
    home: Home, project: str, model: str, one: Asked, keys: Sequence[tuple[str, int]]
) -> dict[str, NDArray[Any]]:
    """Return the inputs of rows that have a label; empty where the log has none of them."""
    if not keys:
        return {}
    # Labels of older rows are compared with fewer inputs: "not known" there, and never wrong.
    table = log.features(home, project, model, None, one.since, one.until, newest=_ROWS_AT_MOST)
    ids, rows = table["id"].to_pylist(), table["row"].to_pylist()
    known = {pair: place for place, pair in enumerate(zip(ids, rows, strict=True))}
    found = np.array([known.get(key, -1) for key in keys], dtype=np.int64)
    return {
        name: _filled(_column(table, name), found)
        for name in table.column_names
        if name.startswith(INPUT)
    }


def _filled(values: NDArray[Any], places: Places) -> NDArray[Any]:
    if not len(values):
        return np.full(len(places), np.nan)
    taken = values[np.maximum(places, 0)].copy()
    taken[places < 0] = np.nan if values.dtype.kind == "f" else None
    return taken
