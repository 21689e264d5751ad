"""The course of a project's results, small: a line without axes, the baseline dashed."""

import math
from collections.abc import Sequence

import streamlit as st

from dashboard.charts.small import Spec
from dashboard.charts.theme import Colours, colours
from dashboard.experiments.units import figure

_HEIGHT_PX = 62


def draw(metric: str, values: Sequence[float], baseline: float | None, *, key: str) -> None:
    """Draw the values, oldest first; fewer than two make no line."""
    shown = finite(values)
    if len(shown) < 2:
        return
    st.echarts_chart(
        spec(shown, baseline, colours()), height=_HEIGHT_PX, key=key, alt=told(metric, shown)
    )


def finite(values: Sequence[float]) -> list[float]:
    """Return the values a line can be drawn through."""
    return [value for value in values if math.isfinite(value)]


def told(metric: str, values: Sequence[float]) -> str:
    """Return what the line shows, for those who do not see it."""
    first, last = figure(metric, values[0]), figure(metric, values[-1])
    return f"{metric} of the last {len(values)} finished runs: from {first} to {last}"


def spec(values: Sequence[float], baseline: float | None, hues: Colours) -> Spec:
    """Return the chart."""
    held = [*values, *([baseline] if baseline is not None and math.isfinite(baseline) else [])]
    low, high = min(held), max(held)
    room = (high - low or abs(high)) * 0.12 or 1.0  # also where the smallest numbers leave nothing
    hidden = {"show": False}
    line: Spec = {
        "type": "line",
        "data": [float(f"{value:.6g}") for value in values],
        "showSymbol": False,
        "symbolSize": 5,
        "lineStyle": {"width": 1.8},
        "itemStyle": {"color": hues.accent},
        "areaStyle": {"opacity": 0.08},
    }
    if len(held) > len(values):
        line["markLine"] = {
            "silent": True,
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": hues.muted, "type": "dashed", "width": 1},
            "data": [{"yAxis": baseline}],
        }
    return {
        "animation": False,
        "grid": {"left": 2, "right": 4, "top": 6, "bottom": 4},
        "xAxis": {"type": "category", "boundaryGap": False, **hidden},
        "yAxis": {"type": "value", "min": low - room, "max": high + room, **hidden},
        "tooltip": {"trigger": "axis", "confine": True, "formatter": "{c}"},
        "series": [line],
    }
