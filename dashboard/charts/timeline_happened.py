"""What happened, drawn through the panels of a timeline: bands, lines, and their names."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dashboard.charts import timeline_frame as frame
from dashboard.charts.theme import Colours
from dashboard.charts.timeline_frame import Spec
from dashboard.charts.timeline_parts import Band, Mark, Panel, Tone

UNNAMED = "\u200b"
"""Begins the name of a series that no legend has."""

_SYMBOLS: Mapping[Tone, str] = {
    "warn": "triangle", "bad": "diamond", "mode": "circle", "quiet": "emptyCircle",
}  # fmt: skip
_WIDTH_PX, _LETTER_PX, _SIGN_PX = 640, 6.2, 7
"""A narrow window's chart: what has room there has room everywhere."""

LATE = 0.8
"""A band that begins later has its name at its right edge, where it still fits."""


def add_strip(
    option: dict[str, list[Spec]],
    series: list[Spec],
    marks: Sequence[Mark],
    start: datetime,
    end: datetime,
    hues: Colours,
) -> None:
    """Add the row that names the moments: a grid of its own, without axes to see."""
    place = len(option["grid"])
    option["grid"].append(frame.grid(frame.STRIP_TOP_PX, frame.STRIP_PX))
    hidden: Spec = {"show": False, "gridIndex": place, "axisPointer": {"show": False}}
    option["xAxis"].append({"type": "time", "min": frame.ms(start), "max": frame.ms(end), **hidden})
    option["yAxis"].append({"type": "value", "min": -1, "max": 1, **hidden})
    series.append(
        {
            "type": "scatter",
            "name": f"{UNNAMED}moments",
            "xAxisIndex": place,
            "yAxisIndex": place,
            "symbolSize": 8,
            "emphasis": {"disabled": True},
            "data": [
                {
                    "name": mark.label,
                    "value": [frame.ms(mark.at), 0],
                    "symbol": _SYMBOLS[mark.tone],
                    "itemStyle": {"color": frame.tone(mark.tone, hues)},
                    "label": {"show": bool(side), "position": side or "right"},
                }
                for mark, side in zip(marks, sides(marks, start, end), strict=True)
            ],
            "label": {"formatter": "{b}", "color": hues.text, "fontSize": 11},
            "labelLayout": {"hideOverlap": True},
            # A name that has no room is told when one points at the sign.
            "tooltip": {"trigger": "item", "formatter": "{b}"},
        }
    )


def sides(marks: Sequence[Mark], start: datetime, end: datetime) -> list[str]:
    """Return where each moment's name stands: right of it, left of it, empty where it has no room.

    The chart hides names that cover each other, but not those that cover another moment's sign.
    """
    whole = (end - start).total_seconds() or 1.0
    places = [_WIDTH_PX * (mark.at - start).total_seconds() / whole for mark in marks]
    taken = [(place - _SIGN_PX, place + _SIGN_PX) for place in places]
    out = []
    for number, (mark, place) in enumerate(zip(marks, places, strict=True)):
        long = _LETTER_PX * len(mark.label) + _SIGN_PX
        others = taken[:number] + taken[number + 1 :]
        for side, low, high in (("right", place, place + long), ("left", place - long, place)):
            free = all(high < begin or low > stop for begin, stop in others)
            if free and low >= 0 and high <= _WIDTH_PX:
                taken.append((low, high))
                out.append(side)
                break
        else:
            out.append("")
    return out


def happened(
    panel: Panel,
    bands: Sequence[Band],
    marks: Sequence[Mark],
    hues: Colours,
    late: datetime,
    *,
    named: bool,
) -> Spec:
    """Return a panel's bands and lines, for its first series; ``named``: their names stand there.

    A band that begins after ``late`` has its name at its right edge.
    """
    out: Spec = {}
    areas = [
        _area(b, late, hues, named=named or bool(b.panel))
        for b in bands
        if b.panel in {"", panel.title}
    ]
    if areas:
        out["markArea"] = {"silent": True, "data": areas, "z": 4}  # names above the lines
    if marks:
        out["markLine"] = {
            "symbol": "none",
            "animation": False,
            "silent": True,
            "label": {"show": False},
            "emphasis": {"disabled": True},
            "data": [_flag(mark, hues) for mark in marks],
        }
    return out


def _area(band: Band, late: datetime, hues: Colours, *, named: bool) -> list[Spec]:
    style = {"color": frame.tone(band.tone, hues), "opacity": 0.14}
    label = {
        "show": named,
        "position": "insideTopRight" if band.start > late else "insideTopLeft",
        "color": hues.text,
        "fontSize": 11,
        "backgroundColor": hues.background,
        "padding": [2, 4],
        # Two kinds may overlap: each has a line of its own.
        "offset": [0, 14 if band.tone == "mode" else 0],
    }
    begin: Spec = {
        "xAxis": frame.ms(band.start),
        "name": band.label,
        "itemStyle": style,
        "label": label,
    }
    return [begin, {"xAxis": frame.ms(band.end)}]


def _flag(mark: Mark, hues: Colours) -> Spec:
    return {
        "xAxis": frame.ms(mark.at),
        "name": mark.label,
        "lineStyle": {"color": frame.tone(mark.tone, hues), "type": "dashed", "width": 1.2},
    }
