"""Drawings of shares: stacked slot-hours over time, and a row a project with used against due."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboard.charts.theme import Colours
from dashboard.numbers import percent
from dashboard.queue.stretches import Window
from dashboard.text import markup

if TYPE_CHECKING:
    from dashboard.queue.shares import Part

Spec = dict[str, object]
_BARS_W, _BARS_H = 240, 34
_HOUR = 3600.0
_NEARLY = 0.8
"""Of a quota: what is used beyond it is warned of."""
_FURTHER = (1, 8, 2, 7)
"""Of the diverging colours: for more projects than there are colours of series."""


def name(project: str, titles: Mapping[str, str]) -> str:
    """Return a project's title; of those that are put together, that."""
    return titles.get(project, project) if project else "other projects"


def hue(number: int, project: str, hues: Colours) -> str:
    """Return a project's colour: by its place, so that it keeps it from chart to chart."""
    if not project:
        return hues.muted
    if number < len(hues.series):
        return hues.series[number]
    return hues.diverging[_FURTHER[number % len(_FURTHER)] % len(hues.diverging)]


def stacked(
    made: Sequence["Part"], titles: Mapping[str, str], shown: Window, hues: Colours
) -> Spec:
    """Return the chart of slot-hours over time, stacked by project."""
    buckets = len(made[0].used)
    width = shown.length_s / buckets
    start = shown.start.timestamp()
    times = [round((start + (number + 0.5) * width) * 1000) for number in range(buckets)]
    return {
        "animation": False,
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True,
                    "valueFormatter": "%,.2f h"},
        "grid": {"left": 44, "right": 12, "top": 26, "bottom": 26, "outerBoundsMode": "none"},
        "xAxis": {"type": "time", "min": round(start * 1000),
                  "max": round(shown.end.timestamp() * 1000),
                  "axisLabel": {"color": hues.muted, "hideOverlap": True},
                  "axisLine": {"lineStyle": {"color": hues.line}}, "splitLine": {"show": False}},
        "yAxis": {"type": "value", "name": "h", "nameTextStyle": {"color": hues.muted},
                  "axisLabel": {"color": hues.muted},
                  "splitLine": {"lineStyle": {"color": hues.line}}},
        "series": [
            {
                "type": "bar",
                "stack": "all",
                "name": name(one.project, titles),
                "barCategoryGap": "18%",
                "barMaxWidth": 30,
                "itemStyle": {"color": hue(number, one.project, hues)},
                "data": [[at, round(seconds / _HOUR, 4)]
                         for at, seconds in zip(times, one.used, strict=True)],
            }
            for number, one in enumerate(made)
            if sum(one.used)
        ],
    }  # fmt: skip


def rows(made: Sequence["Part"], titles: Mapping[str, str], hues: Colours) -> str:
    """Return a row a project: used against due over time, its share now, and what it may take."""
    muted = f"color:{hues.muted};font-size:12.5px"
    top = max((max(*one.used, *one.due) for one in made), default=0.0) or 1.0
    most = max((max(sum(one.used), sum(one.due)) for one in made), default=0.0) or 1.0
    head = "".join(
        f'<div style="{muted};padding:0 18px 4px 0">{word}</div>'
        for word in ("Project", "Used, and due as a line", "Used against due", "Counts now",
                     "May take")
    )  # fmt: skip
    body = "".join(_row(n, one, titles, hues, top, most) for n, one in enumerate(made))
    return (
        '<div style="overflow-x:auto"><div style="display:grid;min-width:560px;'
        "grid-template-columns:minmax(112px,1.1fr) 1.3fr minmax(120px,1.2fr) minmax(84px,.6fr) "
        "minmax(112px,1fr);align-items:center;font-variant-numeric:tabular-nums;"
        f'font-size:13px">{head}{body}</div></div>'
    )


def _row(
    number: int, one: "Part", titles: Mapping[str, str], hues: Colours, top: float, most: float
) -> str:
    line = f"border-top:1px solid {hues.line};padding:7px 18px 7px 0;min-width:0"
    colour = hue(number, one.project, hues)
    waiting = f"{one.waiting} waiting" if one.waiting else "nothing waits"
    muted = f"color:{hues.muted}"
    cells = (
        f'<b><span style="color:{colour}">■</span> {markup(name(one.project, titles), 60)}</b>'
        f'<div style="{muted};font-size:12.5px">{waiting}</div>',
        _bars(one, colour, hues, top),
        _bullet(one, colour, hues, most),
        _now(one, hues),
        _limits(one, hues),
    )
    return "".join(f'<div style="{line};align-self:stretch">{cell}</div>' for cell in cells)


def _bars(one: "Part", colour: str, hues: Colours, top: float) -> str:
    count = len(one.used)
    width = _BARS_W / count
    drawn = "".join(
        f'<rect x="{n * width + 0.6:.1f}" y="{_y(value, top):.1f}" width="{width - 1.2:.1f}" '
        f'height="{_BARS_H - _y(value, top):.1f}" fill="{colour}"/>'
        for n, value in enumerate(one.used)
        if value > 0
    )
    steps = " ".join(
        f"{n * width:.1f},{_y(value, top):.1f} {(n + 1) * width:.1f},{_y(value, top):.1f}"
        for n, value in enumerate(one.due)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_BARS_W} {_BARS_H}" '
        f'preserveAspectRatio="none">{drawn}<polyline points="{steps}" fill="none" '
        f'stroke="{hues.text}" stroke-width="1.3" vector-effect="non-scaling-stroke"/></svg>'
    )
    packed = base64.b64encode(svg.encode()).decode()
    told = f"{sum(one.used) / _HOUR:.1f} slot-hours over time, due {sum(one.due) / _HOUR:.1f}"
    return (
        f'<img alt="{told}" src="data:image/svg+xml;base64,{packed}" '
        f'style="display:block;width:100%;height:{_BARS_H}px"/>'
    )


def _y(value: float, top: float) -> float:
    return (_BARS_H - 2) * (1 - min(1.0, value / top)) + 1


def _bullet(one: "Part", colour: str, hues: Colours, most: float) -> str:
    used, due = sum(one.used), sum(one.due)
    return (
        f'<div style="position:relative;height:9px;border-radius:3px;background:{hues.line}">'
        f'<div style="width:{used / most:.1%};height:100%;border-radius:3px;background:{colour}">'
        f'</div><div style="position:absolute;top:-3px;left:calc({due / most:.1%} - 1px);width:2px;'
        f'height:15px;background:{hues.text}"></div></div>'
        f'<div style="margin-top:3px">{used / _HOUR:.1f} h '
        f'<span style="color:{hues.muted}">of {due / _HOUR:.1f} h due</span></div>'
    )


def _now(one: "Part", hues: Colours) -> str:
    if one.share is None or one.due_share is None:
        return f'<span style="color:{hues.muted}">wants nothing</span>'
    return (
        f'{percent(one.share)} <span style="color:{hues.muted}">of {percent(one.due_share)}</span>'
    )


def _limits(one: "Part", hues: Colours) -> str:
    """Return weight, priority and quota."""
    if one.weight is None:
        return ""
    told = f"weight {_figure(one.weight)} · priority {_figure(one.priority)}"
    if one.quota_hours is None:
        return f'{told}<div style="color:{hues.muted};font-size:12.5px">no quota</div>'
    used = one.quota_used_s / _HOUR
    share = min(1.0, used / one.quota_hours) if one.quota_hours else 1.0
    tone = hues.bad if share >= 1 else hues.warn if share > _NEARLY else hues.good
    return (
        f'{told}<div style="height:5px;border-radius:3px;background:{hues.line};overflow:hidden;'
        f'margin:3px 0 1px"><div style="width:{share:.0%};height:100%;background:{tone}"></div>'
        f'</div><span style="font-size:12.5px">{used:.1f} of {one.quota_hours:g} h in 7 days</span>'
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
