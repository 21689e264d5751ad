"""The roofline of a chip with a run's points, on logarithmic axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.charts.theme import Colours, colours

Spec = dict[str, object]
_HEIGHT_PX = 280
_ROOM = 4.0
"""The axes reach so many times beyond what they have to show."""


@dataclass(frozen=True, slots=True)
class Dot:
    """Where something stands: operations a byte, and operations per second."""

    name: str
    intensity: float
    flops: float


def draw(dots: Sequence[Dot], peak_flops: float, bandwidth_bytes_s: float, *, key: str) -> None:
    """Draw the roof ``min(peak, intensity × bandwidth)`` and the dots under it."""
    made = spec(dots, peak_flops, bandwidth_bytes_s, colours())
    said = "; ".join(f"{dot.name} at {dot.intensity:.3g} operations a byte" for dot in dots)
    st.echarts_chart(made, height=_HEIGHT_PX, key=key, alt=f"Roofline of the chip: {said}")


def spec(dots: Sequence[Dot], peak: float, bandwidth: float, hues: Colours) -> Spec:
    """Return the echarts option."""
    ridge = peak / bandwidth
    left = _decade(min([ridge / 10, *(dot.intensity / _ROOM for dot in dots)]), up=False)
    right = _decade(max([ridge * 10, *(dot.intensity * _ROOM for dot in dots)]), up=True)
    tera = 1e12
    bottom = _decade(min([left * bandwidth, *(dot.flops / _ROOM for dot in dots)]) / tera, up=False)
    top = _decade(max([peak, *(dot.flops for dot in dots)]) * 1.5 / tera, up=True)
    roof = [[left, left * bandwidth / tera], [ridge, peak / tera], [right, peak / tera]]
    series: list[Spec] = [
        {
            "type": "line",
            "name": "limit of the chip",
            "data": roof,
            "showSymbol": False,
            "lineStyle": {"width": 2},
            "itemStyle": {"color": hues.muted},
            "areaStyle": {"opacity": 0.06, "origin": "start"},
            "silent": True,
            "tooltip": {"show": False},
        }
    ]
    for number, dot in enumerate(dots):
        series.append(_dot(dot, hues.series[number % len(hues.series)], hues))
    return {
        "animation": False,
        "grid": {"left": 12, "right": 20, "top": 34, "bottom": 34},
        "tooltip": {"trigger": "item", "confine": True},
        "xAxis": _axis("operations a byte of memory traffic", left, right, hues, middle=True),
        "yAxis": _axis("TFLOPS", bottom, top, hues, middle=False),
        "series": series,
    }


def _dot(dot: Dot, colour: str, hues: Colours) -> Spec:
    return {
        "type": "scatter",
        "name": dot.name,
        "data": [[dot.intensity, dot.flops / 1e12]],
        "symbolSize": 12,
        "itemStyle": {"color": colour},
        "label": {"show": True, "formatter": dot.name, "position": "bottom", "color": hues.text},
        "tooltip": {"valueFormatter": "%.3g"},
        "z": 5,
    }


def _axis(name: str, low: float, high: float, hues: Colours, *, middle: bool) -> Spec:
    where: Spec = {"nameLocation": "middle", "nameGap": 26} if middle else {}
    return {
        "type": "log",
        "min": low,
        "max": high,
        "name": name,
        **where,
        "nameTextStyle": {"color": hues.muted},
        "axisLabel": {"color": hues.muted, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": hues.line}},
        "splitLine": {"lineStyle": {"color": hues.line}},
    }


def _decade(value: float, *, up: bool) -> float:
    """Return the power of ten at or beyond a value."""
    power = math.log10(value)
    return 10.0 ** (math.ceil(power) if up else math.floor(power))
