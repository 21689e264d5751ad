"""How right the answers were over time, as far as labels came."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import promised, watched
from dashboard.charts import timeline
from dashboard.charts.timeline import Band, Line, Mark, Panel
from dashboard.components import located, notices, tiles
from dashboard.monitoring import detailed, misfits
from dashboard.monitoring.access import Seen, Subject
from dashboard.monitoring.address import METRIC
from dashboard.numbers import count, duration, number, percent
from dashboard.scope import RANGES, Scope
from dashboard.text import plain
from services.errors import MlopsError
from services.monitoring import metrics
from services.monitoring.accuracy import Accuracy, Point, Quality
from services.monitoring.metrics import Metric

_HOUR_S, _DAY_S = 3600.0, 86_400.0
_LONGEST_S = 90 * _DAY_S
_SHORT_S, _USUAL_S = 2 * _DAY_S, 7 * _DAY_S


def draw(of: Subject, seen: Seen, where: Scope) -> None:
    """Draw figures and the chart of the range of the page, up to the check."""
    misfits.draw(of.project, of.model)
    until = time.time() // 60 * 60 if seen.newest else seen.check.at
    length = _length(where)
    step = _HOUR_S if length <= _SHORT_S else 6 * _HOUR_S if length <= _USUAL_S else _DAY_S
    end = (until // step + 1) * step
    named = of.project, of.model, seen.version
    wanted = _wanted(of)
    found = watched.accuracy(*named, end - length, until, step, wanted)
    if length == _USUAL_S and found.points and found.points[0].at >= end - _SHORT_S:
        length, step = _SHORT_S, _HOUR_S  # labels of two days alone are told by the hour
        end = (until // step + 1) * step
        found = watched.accuracy(*named, end - length, until, step, wanted)
    if found.overall is None:
        _none(found)
        return
    expected = watched.expected(*named, found.overall.metric, found.overall.classes)
    _choose(found)
    _figures(found, expected)
    first = end - length
    if RANGES[where.span] is None and found.points:  # no empty days before the first label
        first = found.points[0].at
    begin, last = (datetime.fromtimestamp(at, UTC) for at in (first, end))
    timeline.draw(
        [panel(found, expected, step)], begin, last, key=f"monitoring-accuracy:{of.name}",
        bands=bands(found, last), marks=[Mark(datetime.fromtimestamp(seen.check.at, UTC), "check")],
    )  # fmt: skip
    st.caption(
        f"{plain(found.said, 600)} A point is {duration(step)} of predictions, with its 95 % "
        "interval. Shaded: labels of that stretch are still to come."
    )
    detail = watched.breakdown(*named, end - length, until)
    if detail is not None:
        detailed.draw(detail, f"monitoring-detail:{of.name}")


def _wanted(of: Subject) -> Metric | None:
    """Return the measure that the address names, else what is promised, or the project's main."""
    named = metrics.known(st.query_params.get(METRIC, ""))
    if named is not None:
        return named
    promise = promised.own(of.project, of.model).get("accuracy")
    if promise is not None:
        return promise.metric
    try:
        return watched.main_metrics().get(of.project)
    except MlopsError:  # the mirror is away: what labels give is shown
        return None


def _choose(found: Accuracy) -> None:
    """Draw the choice of a measure, of those that the labels give."""
    assert found.overall is not None  # noqa: S101  asked before
    mine = metrics.OF_TASK[found.task]
    shown: dict[str, str] = {one: _title(one) for one in mine}
    located.choice(
        "Measure", mine, name=METRIC, default=found.overall.metric,
        format_func=lambda one: shown[one], collapsed=True,
    )  # fmt: skip


def _title(metric: Metric) -> str:
    name = metrics.NAMES[metric]
    return f"{name[:1].upper()}{name[1:]}"


def panel(found: Accuracy, expected: Quality | None, step_s: float) -> Panel:
    """Return the figure over time with its interval, and what it was on the evaluation data."""
    assert found.overall is not None  # noqa: S101  drawn only where there is one
    metric = found.overall.metric
    hits = metrics.is_share(metric)
    factor = 100.0 if hits else 1.0
    points = _whole(found.points, step_s)
    times = [at for at, _ in points]
    name = metrics.NAMES[metric]

    def values(pick: str) -> list[float | None]:
        return [None if q is None else getattr(q, pick) * factor for _, q in points]

    lines = [Line(name, times, values("value"), values("low"), values("high"), colour=0)]
    if expected is not None and expected.metric == found.overall.metric and times:
        level = expected.value * factor
        lines.append(
            Line("on the evaluation data", times, [level] * len(times), dashed=True, colour=1)
        )
    return Panel(
        _title(metric), "%" if hits else "", lines, top=100.0 if hits else None,
        bottom=None if hits or metric == "bias" else 0.0,
    )  # fmt: skip


def bands(found: Accuracy, end: datetime) -> list[Band]:
    """Return the stretch whose labels are still to come."""
    open_at = next((one.at for one in found.points if one.open), None)
    if open_at is None:
        return []
    return [Band(datetime.fromtimestamp(open_at, UTC), end, "labels to come", "quiet")]


def _whole(points: Sequence[Point], step_s: float) -> list[tuple[datetime, Quality | None]]:
    """Return points in the middle of their stretch, with a gap where one is missing."""
    made: list[tuple[datetime, Quality | None]] = []
    for place, one in enumerate(points):
        if place and one.at - points[place - 1].at > 1.5 * step_s:
            gap = points[place - 1].at + 1.5 * step_s
            made.append((datetime.fromtimestamp(gap, UTC), None))
        made.append((datetime.fromtimestamp(one.at + step_s / 2, UTC), one.quality))
    return made


def _length(where: Scope) -> float:
    back = RANGES[where.span]
    return _USUAL_S if back is None else min(_LONGEST_S, max(_DAY_S, back.total_seconds()))


def _figures(found: Accuracy, expected: Quality | None) -> None:
    overall = found.overall
    assert overall is not None  # noqa: S101  asked before
    hits = metrics.is_share(overall.metric)
    interval = f"Between {_said(overall.low, hits)} and {_said(overall.high, hits)} with 95 %."
    with st.grid(4, min_column_width=170):
        tiles.tile(_title(overall.metric), _said(overall.value, hits), why=interval)
        same = expected is not None and expected.metric == overall.metric
        tiles.tile(
            "On the evaluation data",
            _said(expected.value, hits) if same and expected else None,
            why=f"On {expected.rows:,} rows."
            if expected
            else "Training logged no labels with it, or no check has fetched it yet.",
        )
        share = found.labelled / found.predictions if found.predictions else 0.0
        tiles.tile(
            "With a label", percent(share, 1),
            why=f"{count(found.labelled)} of {count(found.predictions)} predictions.",
        )  # fmt: skip
        tiles.tile(
            "Labels take", duration(found.delay_s), why="Half of them come within this time."
        )


def _said(value: float, hits: bool) -> str:  # noqa: FBT001  it is one of two metrics
    return percent(value, 1) if hits else number(value)


def _none(found: Accuracy) -> None:
    notices.empty(
        "No label came in this stretch",
        f"{plain(found.said, 300)} Send what was right once it is known: each answer names its "
        "request id.",
        icon="rule",
        command='POST /feedback/REQUEST_ID {"label": …}',
    )
