"""Where the panels of a timeline are, their axes, titles and tools."""

from collections.abc import Sequence
from datetime import datetime

from dashboard.charts.theme import Colours
from dashboard.charts.timeline_parts import Panel, Tone

Spec = dict[str, object]
PANEL_PX = 96
_HEAD_PX, _FOOT_PX, _TOP_PX = 44, 44, 36
STRIP_TOP_PX, STRIP_PX = 6, 16
"""Of the row above the panels that names the moments."""
_LEFT_PX, _RIGHT_PX = 58, 16
_RANGE_ICON = "path://M2 3v18M22 3v18M6 12h12M9 8.5l-3.5 3.5l3.5 3.5M15 8.5l3.5 3.5l-3.5 3.5"


def height_px(panels: int, *, headed: bool = False) -> int:
    """Return how tall a chart of so many panels is; ``headed``: moments or the tool stand above."""
    return top(panels, first(headed=headed)) - _HEAD_PX + _FOOT_PX


def first(*, headed: bool) -> int:
    """Return where the first panel begins."""
    return _TOP_PX + (STRIP_PX + 8 if headed else 0)


def top(place: int, first: int) -> int:
    """Return where a panel's drawing begins."""
    return first + place * (_HEAD_PX + PANEL_PX)


def grid(top: int, height: int) -> Spec:
    """Return the area of a panel."""
    return {
        "left": _LEFT_PX,
        "right": _RIGHT_PX,
        "top": top,
        "height": height,
        "outerBoundsMode": "none",
    }


def title(panel: Panel, top: int, hues: Colours) -> Spec:
    """Return a panel's title with its unit."""
    return {
        "text": f"{panel.title}{{u| {panel.unit}}}",
        "left": 0,
        "top": top - 27,
        "padding": 0,
        "textStyle": {
            "color": hues.text,
            "fontSize": 13,
            "fontWeight": 600,
            "rich": {"u": {"color": hues.muted, "fontSize": 12, "fontWeight": 400}},
        },
    }


def legend(panel: Panel, top: int, hues: Colours) -> Spec:
    """Return a panel's legend; one line needs none."""
    return {
        "show": len(panel.lines) > 1,
        "data": [line.name for line in panel.lines],
        "top": top - 28,
        "right": _RIGHT_PX,
        "padding": 0,
        "itemWidth": 14,
        "itemHeight": 8,
        "itemGap": 12,
        "textStyle": {"color": hues.muted, "fontSize": 12},
        "type": "plain",
    }


def time_axis(place: int, start: datetime, end: datetime, hues: Colours, *, last: bool) -> Spec:
    """Return a panel's time axis; only that of the last has labels."""
    return {
        "type": "time",
        "gridIndex": place,
        "min": ms(start),
        "max": ms(end),
        "axisLine": {"lineStyle": {"color": hues.line}},
        "axisTick": {"show": last},
        "axisLabel": {"show": last, "color": hues.muted, "hideOverlap": True},
        "splitLine": {"show": False},
        "axisPointer": {"label": {"show": last}},
    }


def value_axis(panel: Panel, place: int, hues: Colours) -> Spec:
    """Return a panel's axis of values."""
    bounds: Spec = {} if panel.top is None else {"max": panel.top}
    return {
        "type": "value",
        "gridIndex": place,
        "scale": panel.bottom is None,
        **({} if panel.bottom is None else {"min": panel.bottom}),
        **bounds,
        "splitNumber": 2,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "axisLabel": {
            "color": hues.muted,
            "hideOverlap": True,
            # An end that is no round figure would stand on the last round one.
            "showMaxLabel": panel.top is None or panel.unit == "%",
        },
        "splitLine": {"lineStyle": {"color": hues.line}},
        **({"minInterval": 1} if panel.whole else {}),
    }


def brush(hues: Colours, axes: Sequence[int]) -> Spec:
    """Return the tool that drags a range."""
    return {
        "brush": {
            "xAxisIndex": axes,
            "brushType": "lineX",
            "brushMode": "single",
            "throttleType": "debounce",
            "throttleDelay": 300,
            "brushStyle": {"color": hues.accent, "opacity": 0.16, "borderColor": hues.accent},
            "outOfBrush": {"colorAlpha": 1},
        },
        "toolbox": {
            "top": 0,
            "left": 0,
            "padding": 0,
            "itemSize": 18,
            "iconStyle": {"borderColor": hues.muted, "borderWidth": 1.6},
            "emphasis": {"iconStyle": {"borderColor": hues.accent, "textPosition": "right"}},
            "feature": {
                "brush": {
                    "type": ["lineX"],
                    "icon": {"lineX": _RANGE_ICON},
                    "title": {"lineX": "Press, then drag over a range to zoom into it"},
                }
            },
        },
    }


def tone(tone: Tone, hues: Colours) -> str:
    """Return the colour of a tone."""
    return {"warn": hues.warn, "bad": hues.bad, "mode": hues.accent, "quiet": hues.muted}[tone]


def ms(at: datetime) -> int:
    """Return a time as the browser counts it."""
    return round(at.timestamp() * 1000)
