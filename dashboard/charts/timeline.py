"""Curves over time with what happened beside them (echarts)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import streamlit as st

from dashboard.charts.theme import colours
from dashboard.numbers import size_unit

Spec = dict[str, object]
Unit = Literal["%", "B", "B/s", "MHz", "W", "°C", "rpm"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line; where ``low`` and ``high`` differ from it, the range is shaded."""

    times: Sequence[datetime]
    mean: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time that is shaded, e.g. while the machine was throttled."""

    start: datetime
    end: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment."""

    at: datetime
    title: str


def draw(
    curves: Mapping[str, Curve],
    *,
    key: str,
    unit: Unit,
    start: datetime,
    end: datetime,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    height_px: int = 210,
) -> None:
    """Draw curves on one time axis; a None leaves a gap. Bytes get the unit that fits them."""
    hues = colours()
    divisor, shown = _scale(curves, unit)
    drawn: list[Spec] = []
    for index, (name, curve) in enumerate(curves.items()):
        hue = hues.series[index % len(hues.series)]
        line: Spec = {
            "type": "line",
            "name": name,
            "showSymbol": False,
            "lineStyle": {"width": 1.6},
            "itemStyle": {"color": hue},
            "data": _points(curve.times, curve.mean, divisor),
        }
        if index == 0:
            line |= _happenings(bands, marks, hues.warn, hues.muted, hues.text)
        drawn.append(line)
        if len(curves) == 1 and _has_range(curve):
            drawn += _range(curve, divisor, hue)
    label = {"color": hues.muted, "hideOverlap": True}
    axis = {"axisLabel": label, "axisLine": {"lineStyle": {"color": hues.line}}}
    value: Spec = {
        "type": "value",
        "name": shown,
        "nameTextStyle": {"color": hues.muted},
        "splitLine": {"lineStyle": {"color": hues.line}},
        "min": 0,
        **({"max": 100} if unit == "%" else {}),
        **axis,
    }
    spec: Spec = {
        "animation": False,
        "grid": {"left": 8, "right": 14, "top": 34 if len(curves) > 1 else 26, "bottom": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {
            "show": len(curves) > 1,
            "data": list(curves),
            "icon": "roundRect",
            "itemWidth": 12,
            "itemHeight": 4,
            "top": 0,
            "right": 0,
            "textStyle": {"color": hues.text},
        },
        "series": drawn,
        "xAxis": {
            "type": "time",
            "min": start.isoformat(),
            "max": end.isoformat(),
            "splitLine": {"show": False},
            **axis,
        },
        "yAxis": value,
    }
    st.echarts_chart(spec, height=height_px, key=key, alt=f"Over time: {', '.join(curves)}")


def _scale(curves: Mapping[str, Curve], unit: Unit) -> tuple[float, str]:
    if unit == "%":
        return 0.01, "%"
    if unit not in {"B", "B/s"}:
        return 1.0, unit
    values = (y for curve in curves.values() for y in (*curve.mean, *curve.high) if y is not None)
    divisor, found = size_unit(max(values, default=0.0))
    return divisor, f"{found}/s" if unit == "B/s" else found


def _points(
    times: Sequence[datetime], values: Sequence[float | None], divisor: float
) -> list[list[object]]:
    return [
        [at.isoformat(), None if value is None else round(value / divisor, 4)]
        for at, value in zip(times, values, strict=True)
    ]


def _has_range(curve: Curve) -> bool:
    return bool(curve.low) and tuple(curve.low) != tuple(curve.high)


def _range(curve: Curve, divisor: float, hue: str) -> list[Spec]:
    """Return the range from the least to the greatest: an invisible base and a shaded rest."""
    rest = [
        None if low is None or high is None else high - low
        for low, high in zip(curve.low, curve.high, strict=True)
    ]
    shared: Spec = {
        "type": "line",
        "stack": "range",
        "showSymbol": False,
        "silent": True,
        "lineStyle": {"opacity": 0},
        "tooltip": {"show": False},
    }
    return [
        shared | {"name": "least", "data": _points(curve.times, curve.low, divisor)},
        shared
        | {
            "name": "to the greatest",
            "data": _points(curve.times, rest, divisor),
            "areaStyle": {"color": hue, "opacity": 0.15},
        },
    ]


def _happenings(
    bands: Sequence[Band], marks: Sequence[Mark], warn: str, muted: str, text: str
) -> Spec:
    areas = [
        [{"xAxis": band.start.isoformat(), "name": band.title}, {"xAxis": band.end.isoformat()}]
        for band in bands
    ]
    lines = [{"xAxis": mark.at.isoformat(), "name": mark.title} for mark in marks]
    out: Spec = {}
    if areas:
        out["markArea"] = {
            "silent": True,
            "itemStyle": {"color": warn, "opacity": 0.12},
            "label": {"color": text, "fontSize": 10, "position": "insideTop"},
            "data": areas,
        }
    if lines:
        out["markLine"] = {
            "silent": False,
            "symbol": "none",
            "lineStyle": {"color": muted, "type": "dashed", "width": 1},
            "label": {"show": False},
            "emphasis": {"label": {"show": True, "formatter": "{b}", "color": text}},
            "data": lines,
        }
    return out
