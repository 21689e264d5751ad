"""Panels one above the other on one time axis, with what happened drawn through all of them.

One echarts chart: the pointer, a dragged range and the bands go through every panel, so that a
clock that falls is seen under the temperature that rose. Times go to the browser once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

import streamlit as st

from dashboard.charts.theme import Colours, colours

Spec = dict[str, object]
Tone = Literal["warn", "bad", "mode", "quiet"]
_HEAD_PX, _PANEL_PX, _FOOT_PX, _TOP_PX = 44, 96, 44, 36
_STRIP_TOP_PX, _STRIP_PX = 6, 16
"""Of the row above the panels that names the moments."""
_LEFT_PX, _RIGHT_PX = 58, 16
_SYMBOLS: Mapping[Tone, str] = {
    "warn": "triangle", "bad": "diamond", "mode": "circle", "quiet": "emptyCircle",
}  # fmt: skip
_DIGITS = 4
_LATE = 0.8
"""A band that begins later has its name at its right edge, where it still fits."""
_RANGE_ICON = "path://M2 3v18M22 3v18M6 12h12M9 8.5l-3.5 3.5l3.5 3.5M15 8.5l3.5 3.5l-3.5 3.5"
_RANGE = "\u200b"
"""Begins the name of a series that is only a range's edge, so that no legend has it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a value a time; None is a gap. Its range is drawn where ``low`` is given."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    stacked: bool = False
    dashed: bool = False
    colour: int | None = None
    """Place among the theme's series colours; None: by its place in the panel."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time that is shaded."""

    start: datetime
    end: datetime
    label: str
    tone: Tone = "warn"
    panel: str = ""
    """Title of the only panel that has it; empty: all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: a line through all panels, named above them."""

    at: datetime
    label: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines with one vertical axis."""

    title: str
    unit: str
    lines: Sequence[Line]
    top: float | None = None
    """End of the axis; None: by the values."""
    bottom: float | None = 0.0
    """Begin of the axis; None: by the values."""
    whole: bool = False


def height_px(panels: int, *, marked: bool = False) -> int:
    """Return how tall a chart of so many panels is; ``marked`` when moments are named above."""
    return _top(panels, _first(marked=marked)) - _HEAD_PX + _FOOT_PX


def draw(
    panels: Sequence[Panel],
    start: datetime,
    end: datetime,
    *,
    key: str,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    pick: bool = False,
) -> tuple[datetime, datetime] | None:
    """Draw panels over ``[start, end]``; return the range that was dragged when ``pick`` is on.

    ``key`` must change with the range when ``pick`` is on: what was dragged belongs to the chart of
    that key.
    """
    made = spec(panels, start, end, colours(), bands, marks, pick=pick)
    told = f"{', '.join(panel.title for panel in panels)} over time"
    height = height_px(len(panels), marked=bool(marks))
    if not pick:
        st.echarts_chart(made, height=height, key=key, alt=told)
        return None
    state = st.echarts_chart(made, height=height, key=key, alt=told, on_select="rerun")
    return picked(state.selection.areas)


def picked(areas: Sequence[Mapping[str, object]]) -> tuple[datetime, datetime] | None:
    """Return the first dragged range, None when there is none worth it."""
    for area in areas:
        span = area.get("coord_range")
        if not isinstance(span, list) or len(span) != 2:
            continue
        low, high = sorted(span)
        if isinstance(low, int | float) and isinstance(high, int | float) and high - low >= 1000:
            return datetime.fromtimestamp(low / 1000, UTC), datetime.fromtimestamp(high / 1000, UTC)
    return None


def spec(
    panels: Sequence[Panel],
    start: datetime,
    end: datetime,
    hues: Colours,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    *,
    pick: bool = False,
) -> Spec:
    """Return the echarts option."""
    columns = _Columns()
    first = _first(marked=bool(marks))
    series: list[Spec] = []
    for place, panel in enumerate(panels):
        drawn = list(_series(panel, place, columns, hues))
        if drawn:
            late = start + (end - start) * _LATE
            drawn[0] |= _happened(panel, bands, marks, hues, late, named=place == 0)
        series += drawn
    every = list(range(len(panels)))
    option: dict[str, list[Spec]] = {
        "title": [_title(panel, _top(n, first), hues) for n, panel in enumerate(panels)],
        "legend": [_legend(panel, _top(n, first), hues) for n, panel in enumerate(panels)],
        "grid": [_grid(_top(place, first), _PANEL_PX) for place in every],
        "xAxis": [_time_axis(place, start, end, hues, last=place == every[-1]) for place in every],
        "yAxis": [_value_axis(panel, place, hues) for place, panel in enumerate(panels)],
    }
    if marks:
        _add_strip(option, series, marks, start, end, hues)
    return {
        "animation": False,
        "dataset": columns.datasets,
        "axisPointer": {"link": [{"xAxisIndex": every}], "lineStyle": {"color": hues.muted}},
        "tooltip": {"trigger": "axis", "confine": True, "order": "seriesAsc"},
        "series": series,
        **option,
        **(_brush(hues, every) if pick else {}),
    }


def _add_strip(
    option: dict[str, list[Spec]],
    series: list[Spec],
    marks: Sequence[Mark],
    start: datetime,
    end: datetime,
    hues: Colours,
) -> None:
    """Add the row that names the moments: a grid of its own, without axes to see."""
    place = len(option["grid"])
    option["grid"].append(_grid(_STRIP_TOP_PX, _STRIP_PX))
    hidden: Spec = {"show": False, "gridIndex": place, "axisPointer": {"show": False}}
    option["xAxis"].append({"type": "time", "min": _ms(start), "max": _ms(end), **hidden})
    option["yAxis"].append({"type": "value", "min": -1, "max": 1, **hidden})
    series.append(
        {
            "type": "scatter",
            "name": f"{_RANGE}moments",
            "xAxisIndex": place,
            "yAxisIndex": place,
            "silent": True,
            "symbolSize": 8,
            "data": [
                {
                    "name": mark.label,
                    "value": [_ms(mark.at), 0],
                    "symbol": _SYMBOLS[mark.tone],
                    "itemStyle": {"color": _tone(mark.tone, hues)},
                }
                for mark in marks
            ],
            "label": {
                "show": True,
                "formatter": "{b}",
                "position": "right",
                "color": hues.text,
                "fontSize": 11,
            },
            "labelLayout": {"hideOverlap": True},
            "tooltip": {"show": False},
        }
    )


class _Columns:
    """What the browser gets of the values: one table a time axis, its times once."""

    def __init__(self) -> None:
        self.datasets: list[Spec] = []
        self._places: dict[tuple[datetime, ...], int] = {}

    def add(self, times: Sequence[datetime], values: Sequence[float | None]) -> tuple[int, int]:
        """Return in which table and which column the values are now."""
        key = tuple(times)
        if key not in self._places:
            self._places[key] = len(self.datasets)
            rows = [[round(at.timestamp() * 1000)] for at in times]
            self.datasets.append({"source": rows, "sourceHeader": False})
        place = self._places[key]
        rows = self.datasets[place]["source"]  # type: ignore[assignment]  # of the line above
        for row, value in zip(rows, values, strict=True):
            row.append(None if value is None else float(f"{value:.{_DIGITS}g}"))  # type: ignore[arg-type]
        return place, len(rows[0]) - 1 if rows else 1


def _series(panel: Panel, place: int, columns: _Columns, hues: Colours) -> Iterable[Spec]:
    shown = _decimals(panel)
    for number, line in enumerate(panel.lines):
        hue = hues.series[(number if line.colour is None else line.colour) % len(hues.series)]
        where = {"xAxisIndex": place, "yAxisIndex": place, "type": "line", "showSymbol": False}
        table, column = columns.add(line.times, line.values)
        yield {
            **where,
            "name": line.name,
            "datasetIndex": table,
            "encode": {"x": 0, "y": column},
            "lineStyle": {"width": 1.6, "type": "dashed" if line.dashed else "solid"},
            "itemStyle": {"color": hue},
            # One point between two gaps has no line: its symbol shows it.
            "showSymbol": _lonely(line.values),
            "symbolSize": 3,
            "emphasis": {"disabled": True},
            "tooltip": {"valueFormatter": f"%,.{shown}f {panel.unit.replace('%', '%%')}".strip()},
            **({"stack": f"{place}", "areaStyle": {"opacity": 0.35}} if line.stacked else {}),
        }
        if line.low and tuple(line.low) != tuple(line.high):
            yield from _range(line, f"{place}-{number}", where, columns, hue)


def _range(line: Line, stack: str, where: Spec, columns: _Columns, hue: str) -> Iterable[Spec]:
    """Return the range from the least to the greatest: an invisible base and a shaded rest."""
    rest = [
        None if low is None or high is None else high - low
        for low, high in zip(line.low, line.high, strict=True)
    ]
    for values, opacity in ((line.low, 0.0), (rest, 0.16)):
        table, column = columns.add(line.times, values)
        yield {
            **where,
            "name": f"{_RANGE}{line.name}",
            "datasetIndex": table,
            "encode": {"x": 0, "y": column, "tooltip": []},
            "stack": f"range {stack}",
            "silent": True,
            "lineStyle": {"opacity": 0},
            "itemStyle": {"color": hue},
            "areaStyle": {"opacity": opacity},
            "emphasis": {"disabled": True},
            "tooltip": {"show": False},
            "z": 1,
        }


def _lonely(values: Sequence[float | None]) -> bool:
    known = [False, *(value is not None for value in values), False]
    return any(
        here and not before and not after
        for (before, here), (_, after) in pairwise(pairwise(known))
    )


def _decimals(panel: Panel) -> int:
    largest = max(
        (abs(v) for line in panel.lines for v in line.values if v is not None), default=0.0
    )
    return 0 if panel.whole or largest >= 1000 else 1 if largest >= 10 else 2


def _first(*, marked: bool) -> int:
    """Return where the first panel begins."""
    return _TOP_PX + (_STRIP_PX + 8 if marked else 0)


def _top(place: int, first: int) -> int:
    return first + place * (_HEAD_PX + _PANEL_PX)


def _grid(top: int, height: int) -> Spec:
    return {
        "left": _LEFT_PX,
        "right": _RIGHT_PX,
        "top": top,
        "height": height,
        "outerBoundsMode": "none",
    }


def _title(panel: Panel, top: int, hues: Colours) -> Spec:
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


def _legend(panel: Panel, top: int, hues: Colours) -> Spec:
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


def _time_axis(place: int, start: datetime, end: datetime, hues: Colours, *, last: bool) -> Spec:
    return {
        "type": "time",
        "gridIndex": place,
        "min": round(start.timestamp() * 1000),
        "max": round(end.timestamp() * 1000),
        "axisLine": {"lineStyle": {"color": hues.line}},
        "axisTick": {"show": last},
        "axisLabel": {"show": last, "color": hues.muted, "hideOverlap": True},
        "splitLine": {"show": False},
        "axisPointer": {"label": {"show": last}},
    }


def _value_axis(panel: Panel, place: int, hues: Colours) -> Spec:
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


def _happened(
    panel: Panel,
    bands: Sequence[Band],
    marks: Sequence[Mark],
    hues: Colours,
    late: datetime,
    *,
    named: bool,
) -> Spec:
    out: Spec = {}
    areas = [
        _area(b, late, hues, named=named or bool(b.panel))
        for b in bands
        if b.panel in {"", panel.title}
    ]
    if areas:
        out["markArea"] = {"silent": True, "data": areas}
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
    style = {"color": _tone(band.tone, hues), "opacity": 0.14}
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
    begin: Spec = {"xAxis": _ms(band.start), "name": band.label, "itemStyle": style, "label": label}
    return [begin, {"xAxis": _ms(band.end)}]


def _flag(mark: Mark, hues: Colours) -> Spec:
    return {
        "xAxis": _ms(mark.at),
        "name": mark.label,
        "lineStyle": {"color": _tone(mark.tone, hues), "type": "dashed", "width": 1.2},
    }


def _brush(hues: Colours, axes: Sequence[int]) -> Spec:
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


def _tone(tone: Tone, hues: Colours) -> str:
    return {"warn": hues.warn, "bad": hues.bad, "mode": hues.accent, "quiet": hues.muted}[tone]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
