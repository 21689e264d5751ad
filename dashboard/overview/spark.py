"""The course of a project's results, small: a line without axes, the baseline dashed.

Drawn as SVG: nine charts of a chart library on one page take the browser longer than all the rest.
As a picture of its own: Streamlit takes drawings out of HTML, and pictures not.
"""

import base64
import math
from collections.abc import Sequence
from html import escape

import streamlit as st

from dashboard.charts.theme import Colours, colours
from dashboard.experiments.units import figure

_WIDTH, _HEIGHT_PX, _ROOM_PX = 100, 62, 6
_END = 97
"""Where the line ends: its dot is drawn whole."""
# The drawing is stretched to the card's width; its lines keep their strength.
_STROKE = "fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round"


def draw(metric: str, values: Sequence[float], baseline: float | None) -> None:
    """Draw the values, oldest first; fewer than two make no line."""
    shown = finite(values)
    if len(shown) > 1:
        st.html(picture(svg(shown, baseline, colours()), told(metric, shown)))


def finite(values: Sequence[float]) -> list[float]:
    """Return the values a line can be drawn through."""
    return [value for value in values if math.isfinite(value)]


def told(metric: str, values: Sequence[float]) -> str:
    """Return what the line shows, for those who do not see it or want to know more."""
    first, last = figure(metric, values[0]), figure(metric, values[-1])
    return f"{metric} of the last {len(values)} finished runs: from {first} to {last}"


def heights(values: Sequence[float], among: Sequence[float]) -> list[float]:
    """Return how far below the upper edge, in px, each value lies on an axis through ``among``."""
    largest = max(map(abs, among)) or 1.0  # scaled first: the range of huge numbers would overflow
    low, high = min(among) / largest, max(among) / largest
    if low == high:
        return [_HEIGHT_PX / 2 for _ in values]
    room = _HEIGHT_PX - 2 * _ROOM_PX
    return [_ROOM_PX + room * (high - value / largest) / (high - low) for value in values]


def picture(drawing: str, words: str) -> str:
    """Return a drawing as an element of a page, told in words to those who do not see it."""
    said = escape(words)
    data = base64.b64encode(drawing.encode()).decode()
    return (
        f'<img alt="{said}" title="{said}" src="data:image/svg+xml;base64,{data}" '
        f'style="display:block;width:100%;height:{_HEIGHT_PX}px">'
    )


def svg(values: Sequence[float], baseline: float | None, hues: Colours) -> str:
    """Return the drawing; at least two values, all finite."""
    known = [baseline] if baseline is not None and math.isfinite(baseline) else []
    ys = heights([*values, *known], [*values, *known])
    step = _END / (len(values) - 1)
    line = " ".join(f"{step * i:.4g},{y:.4g}" for i, y in enumerate(ys[: len(values)]))
    dashed = "".join(
        f'<path d="M0 {y:.4g}H{_WIDTH}" style="{_STROKE};stroke:{hues.muted};'
        'stroke-dasharray:4 4"/>'
        for y in ys[len(values) :]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT_PX}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT_PX}" '
        'preserveAspectRatio="none">'
        f'<polygon points="0,{_HEIGHT_PX} {line} {_END},{_HEIGHT_PX}" '
        f'style="fill:{hues.accent};fill-opacity:.08"/>{dashed}'
        f'<polyline points="{line}" style="{_STROKE};stroke:{hues.accent};stroke-width:1.8"/>'
        f'<path d="M{_END} {ys[len(values) - 1]:.4g}h0" '
        f'style="{_STROKE};stroke:{hues.accent};stroke-width:5"/></svg>'
    )
