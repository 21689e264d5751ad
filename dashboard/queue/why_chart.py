"""Charts of why jobs waited: a lane a job, stretches in the colours of their reasons."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dashboard.charts.theme import Colours
from dashboard.numbers import duration
from dashboard.queue import looks, stretches
from dashboard.queue.stretches import Lane, Window
from services.mirror.workflow_models import PolicyDecision, Wait

Spec = dict[str, object]
LANE_PX, _TOP_PX, _FOOT_PX, _STRIP_PX = 22, 66, 30, 24
_LEFT_PX, _RIGHT_PX = 232, 16
_NAME_PX = 216
_WRAP = "white-space:pre-line;max-width:440px"
_TONES: Mapping[str, str] = {"open": "good", "single": "warn", "hold": "warn", "pause": "bad"}


def height_px(lanes: int) -> int:
    """Return how tall the chart of so many jobs is."""
    return _TOP_PX + lanes * LANE_PX + _FOOT_PX


def lanes_spec(
    lanes: Sequence[Lane],
    names: Sequence[str],
    shown: Window,
    decisions: Sequence[PolicyDecision],
    hues: Colours,
) -> Spec:
    """Return the chart of jobs over time, with what the thermal policy decided as marks.

    Args:
        lanes: The jobs.
        names: Their names, in the same order.
        shown: The time.
        decisions: What the policy decided in it.
        hues: The theme's colours.
    """
    there = stretches.kinds(one.kind for lane in lanes for one in lane.stretches)
    series = [_series(kind, lanes, shown, hues) for kind in there]
    series += [_marks(decisions, hues)] if decisions else []
    low, high = _ms(shown.start), _ms(shown.end)
    body = {"left": _LEFT_PX, "right": _RIGHT_PX, "outerBoundsMode": "none"}
    time = {"type": "time", "min": low, "max": high}
    hidden = {"show": False, "gridIndex": 1}
    return {
        "animation": False,
        "legend": {
            "top": 0,
            "left": 0,
            "itemWidth": 12,
            "itemHeight": 9,
            "icon": "rect",
            "data": [looks.word(kind) for kind in there],
            "textStyle": {"color": hues.text, "fontSize": 12},
        },
        "tooltip": {"trigger": "item", "confine": True, "formatter": "{b}", "extraCssText": _WRAP},
        "grid": [
            {**body, "top": _TOP_PX, "height": len(lanes) * LANE_PX},
            {**body, "top": _TOP_PX - _STRIP_PX, "height": 16},
        ],
        "xAxis": [
            {
                **time,
                "axisLabel": {"color": hues.muted, "hideOverlap": True},
                "axisLine": {"lineStyle": {"color": hues.line}},
                "splitLine": {"show": True, "lineStyle": {"color": hues.line, "opacity": 0.5}},
            },
            {**time, **hidden},
        ],
        "yAxis": [
            {
                "type": "category",
                "inverse": True,
                "data": list(names),
                "axisTick": {"show": False},
                "axisLine": {"show": False},
                "splitLine": {"show": True, "lineStyle": {"color": hues.line, "opacity": 0.35}},
                "axisLabel": {
                    "color": hues.text,
                    "width": _NAME_PX,
                    "overflow": "truncate",
                    "interval": 0,
                    "fontSize": 12,
                    "align": "left",
                    "margin": _LEFT_PX - 4,
                },
            },
            {"type": "value", "min": -1, "max": 1, **hidden},
        ],
        "series": series,
    }


def _series(kind: str, lanes: Sequence[Lane], shown: Window, hues: Colours) -> Spec:
    data = [
        {
            "name": told(one, shown),
            "coords": [
                [max(_ms(one.begin), _ms(shown.start)), place],
                [min(_ms(one.end or shown.end), _ms(shown.end)), place],
            ],
        }
        for place, lane in enumerate(lanes)
        for one in lane.stretches
        if one.kind == kind
    ]
    hue = looks.hue(kind, hues)
    return {
        "type": "lines",
        "coordinateSystem": "cartesian2d",
        "name": looks.word(kind),
        "color": hue,
        "itemStyle": {"color": hue},
        "lineStyle": {
            "color": hue,
            "width": 12 if kind != "running" else 6,
            "opacity": 1,
            "cap": "butt",
        },
        "emphasis": {"lineStyle": {"width": 16}},
        "data": data,
    }


def told(one: Wait, shown: Window) -> str:
    """Return a stretch as it is told when one points at it."""
    lasted = ((one.end or shown.end) - one.begin).total_seconds()
    still = "" if one.end else ", and still"
    return f"{looks.word(one.kind)} for {duration(max(0.0, lasted))}{still}\n{one.said}"


def _marks(decisions: Sequence[PolicyDecision], hues: Colours) -> Spec:
    return {
        "type": "scatter",
        "name": "thermal policy",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "symbol": "triangle",
        "symbolSize": 11,
        "data": [
            {
                "name": f"{one.said}\n{stretches.readings(one)}",
                "value": [_ms(one.at), 0],
                "itemStyle": {"color": getattr(hues, _TONES.get(one.stance, "muted"))},
            }
            for one in decisions
        ],
    }


def totals_spec(
    found: Mapping[str, Mapping[str, float]], names: Mapping[str, str], hues: Colours
) -> Spec:
    """Return the chart of hours waited: a bar a project, stacked by reason."""
    there = stretches.kinds(kind for row in found.values() for kind in row)
    projects = list(found)
    return {
        "animation": False,
        "legend": {"top": 0, "left": 0, "itemWidth": 12, "itemHeight": 9, "icon": "rect",
                   "textStyle": {"color": hues.text, "fontSize": 12}},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True,
                    "valueFormatter": "%,.1f h"},
        "grid": {"left": _LEFT_PX, "right": 24, "top": 34, "bottom": 26, "outerBoundsMode": "none"},
        "xAxis": {"type": "value", "axisLabel": {"color": hues.muted, "formatter": "{value} h"},
                  "splitLine": {"lineStyle": {"color": hues.line}}},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [names.get(project, project) for project in projects],
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"color": hues.text, "width": _NAME_PX, "overflow": "truncate",
                          "interval": 0, "fontSize": 12, "align": "left", "margin": _LEFT_PX - 4},
        },
        "series": [
            {
                "type": "bar",
                "stack": "all",
                "name": looks.word(kind),
                "itemStyle": {"color": looks.hue(kind, hues)},
                "barMaxWidth": 16,
                "data": [round(found[project].get(kind, 0.0), 4) for project in projects],
            }
            for kind in there
        ],
    }  # fmt: skip


def totals_px(projects: int) -> int:
    """Return how tall the chart of so many projects is."""
    return 64 + projects * 28


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
