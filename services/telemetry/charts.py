"""From a snapshot to the series of a chart: which width, from which tier, on which axis."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from services.telemetry import buckets
from services.telemetry.buckets import Buckets, Stat
from services.telemetry.folder import TIERS
from services.telemetry.models import Series
from services.telemetry.rows import CODES, UNAVAILABLE, Rows
from services.telemetry.shapes import moment, steps
from services.telemetry.snapshot import Snapshot

WIDTHS = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
    10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000, 8_640_000, 31_536_000,
)  # fmt: skip
"""Seconds of a bucket: what people count in, and what the tiers divide."""

_Ints = npt.NDArray[np.int64]
_US = 1_000_000
_GAP = 2.5
"""Intervals without a sample that break a line."""

_QUALITIES = {code: quality for quality, code in CODES.items()}


def series(
    snapshot: Snapshot,
    host: str,
    metrics: Sequence[str],
    start_us: int,
    end_us: int,
    points: int,
    interval_s: float,
) -> tuple[Series, ...]:
    """Return one series a metric; see ``models.Telemetry.series``.

    Args:
        snapshot: Of the host.
        host: Its name.
        metrics: Their names.
        start_us: Begin of the interval, µs since 1970.
        end_us: Its end.
        points: At most so many.
        interval_s: In which the host samples: buckets hold two samples at least.
    """
    finest = _finest(snapshot, start_us, end_us)
    if finest == 0 and (end_us - start_us) <= points * interval_s * _US:
        rows = snapshot.rows(start_us, end_us, metrics)
        axis = _axis_of(rows, interval_s)
        if len(axis) <= points:
            return tuple(_as_sampled(rows, axis, host, name, interval_s) for name in metrics)
    width = width_of(start_us, end_us, points, max(finest, 2 * interval_s))
    begin, end = aligned(start_us, end_us, width)
    joined = _read(snapshot, metrics, begin, end, width)
    times = tuple(moment(at * _US) for at in range(begin, end, width))
    places = joined.keys - begin // width
    return tuple(_bucketed(joined, places, times, host, name) for name in metrics)


def _finest(snapshot: Snapshot, start_us: int, end_us: int) -> int:
    """Return the width of the finest tier that goes back to the begin; 0: single samples do."""
    start, end = start_us // _US, -(-end_us // _US)
    hours = snapshot.hours()
    oldest = min([*hours[:1], end])
    if start >= oldest or not snapshot.holds_before("60", start - start % 60, oldest):
        coarser = start < oldest and snapshot.holds_before("600", start - start % 600, oldest)
        return TIERS[1] if coarser else 0
    minutes = snapshot.starts("60")
    before = start < minutes[0] and snapshot.holds_before("600", start - start % 600, minutes[0])
    return TIERS[1] if before else TIERS[0]


def width_of(start_us: int, end_us: int, points: int, least_s: float) -> int:
    """Return the least width of at least ``least_s`` that needs no more than so many buckets."""
    for width in WIDTHS:
        if width >= least_s:
            begin, end = aligned(start_us, end_us, width)
            if (end - begin) // width <= points:
                return width
    return WIDTHS[-1]


def aligned(start_us: int, end_us: int, width: int) -> tuple[int, int]:
    """Return begin and end, in seconds, of the whole buckets that cover an interval."""
    size = width * _US
    return start_us // size * width, -(-end_us // size) * width


def _read(snapshot: Snapshot, metrics: Sequence[str], begin: int, end: int, width: int) -> Buckets:
    fitting = [tier for tier in TIERS if width % tier == 0]
    if fitting:
        parts = snapshot.tier(fitting[-1], begin, end, metrics)
    else:
        rows = snapshot.rows(begin * _US, end * _US, metrics)
        parts = [buckets.of_rows(rows, width, metrics)]
    return buckets.wider(parts, width, metrics, last=False)


def _bucketed(
    joined: Buckets,
    places: _Ints,
    times: tuple[datetime, ...],
    host: str,
    metric: str,
) -> Series:
    stat = joined.stats.get(metric)
    if stat is None:
        none = (None,) * len(times)
        return Series(host, metric, joined.width_s, times, none, none, none)
    known = stat.known > 0
    unit, at = steps(metric), places[known]
    mean = stat.total[known] / stat.known[known] / unit
    return Series(
        host,
        metric,
        float(joined.width_s),
        times,
        _placed(mean, at, len(times)),
        _placed(stat.low[known] / unit, at, len(times)),
        _placed(stat.high[known] / unit, at, len(times)),
        _qualities(stat),
        _newest_first(stat.reason, joined.reasons),
    )


def _placed(values: npt.NDArray[np.float64], at: _Ints, length: int) -> tuple[float | None, ...]:
    """Return values in their places, None in all others; ``at`` is in order."""
    if len(at) == length:
        return tuple(values.tolist())
    out: list[float | None] = [None] * length
    for place, value in zip(at.tolist(), values.tolist(), strict=True):
        out[place] = value
    return tuple(out)


def _qualities(stat: Stat) -> frozenset[str]:
    found = (stat.measured, stat.estimated, stat.unavailable)
    return frozenset(_QUALITIES[code] for code, n in enumerate(found, start=1) if n.any())


def _newest_first(numbers: _Ints, reasons: Sequence[str]) -> tuple[str, ...]:
    new_first = numbers[numbers >= 0][::-1].tolist()
    return tuple(dict.fromkeys(reasons[number] for number in new_first if reasons[number]))


def _axis_of(rows: Rows, interval_s: float) -> list[tuple[int, int]]:
    """Return time and row of each point; row -1 where samples are missing."""
    limit, step = int(_GAP * interval_s * _US), int(interval_s * _US)
    axis: list[tuple[int, int]] = []
    for row, at_us in enumerate(rows.times.tolist()):
        if axis and at_us - axis[-1][0] > limit:
            axis.append((axis[-1][0] + step, -1))
        axis.append((at_us, row))
    return axis


def _as_sampled(
    rows: Rows, axis: Sequence[tuple[int, int]], host: str, metric: str, interval_s: float
) -> Series:
    code = rows.code(metric)
    known = (code > 0) & (code < UNAVAILABLE)
    column = rows.values.get(metric)
    values = np.full(len(rows) + 1, None, dtype=object)  # the last one is the row of a gap
    if column is not None:
        values[:-1][known] = (column[known] / steps(metric)).tolist()
    drawn = tuple(values[[row for _, row in axis]].tolist()) if axis else ()
    found = set(code.tolist())
    return Series(
        host,
        metric,
        interval_s,
        tuple(moment(at_us) for at_us, _ in axis),
        drawn,
        drawn,
        drawn,
        frozenset(quality for number, quality in _QUALITIES.items() if number in found),
        _reasons(rows, metric, code),
    )


def _reasons(rows: Rows, metric: str, code: _Ints) -> tuple[str, ...]:
    shapes = [rows.shapes[n] for n in rows.shape[code == UNAVAILABLE][::-1].tolist()]
    found = (shape.said[shape.index[metric]].reason for shape in shapes)
    return tuple(dict.fromkeys(reason for reason in found if reason))
