"""One chart of techniques by two figures: the front as a line, what is beaten faint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import analysis
from dashboard.charts.theme import Colours, colours
from dashboard.experiments.cost_text import unit_of
from dashboard.experiments.trade_text import axis_title, figure_of, goal_of, standing, title_of
from dashboard.numbers import counted
from dashboard.text import markup
from services.telemetry.economics import Axis, Spread
from services.telemetry.trades import Point, Trade

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LOG_FROM = 20.0
"""Costs this many times apart are drawn by powers of ten: else the small ones lie in one spot."""
_LABELLED = 14
_FAINT = 0.45


@dataclass(frozen=True, slots=True)
class Scale:
    """How an axis is drawn."""

    per: float
    unit: str
    log: bool


def scale_of(axis: Axis, spreads: Sequence[Spread]) -> Scale:
    """Return unit and kind of an axis for these figures."""
    told = [spread.median for spread in spreads if spread.median is not None]
    per, unit = unit_of(axis, told)
    ends = [v for s in spreads for v in (s.median, s.low, s.high) if v is not None]
    positive = bool(ends) and min(ends) > 0
    far = positive and max(ends) / min(ends) >= _LOG_FROM
    return Scale(per, unit, axis != "quality" and far)


def draw(trade: Trade, *, key: str, height_px: int, picked: Callable[[str, str], None]) -> None:
    """Draw the techniques; a click on one calls ``picked`` with its project and name."""

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and points[0].get("customdata"):
            place = int(points[0]["customdata"][0])
            if place < len(trade.points):
                picked(trade.project, trade.points[place].technique)

    analysis.draw(
        made(trade, height_px),
        key=key,
        picked=clicked,
        alt=f"{len(trade.points)} techniques by {title_of(trade.y, trade)[:60]} and "
        f"{title_of(trade.x, trade)}; the table below says the same",
    )


def made(trade: Trade, height_px: int) -> "go.Figure":
    """Return the figure."""
    hues = colours()
    across = scale_of(trade.x, [point.x for point in trade.points])
    up = scale_of(trade.y, [point.y for point in trade.points])
    figure = analysis.figure(
        x=markup(axis_title(trade.x, trade, across.unit), 80),
        y=markup(axis_title(trade.y, trade, up.unit), 80),
        height_px=height_px,
    )
    _line(figure, trade, across, up, hues)
    for front in (False, True):
        chosen = [(i, p) for i, p in enumerate(trade.points) if p.front == front]
        if chosen:
            _points(figure, trade, chosen, (across, up), hues)
    figure.update_layout(showlegend=False, hovermode="closest", dragmode="pan")
    title = {"font": {"size": 12}, "standoff": 10}
    figure.update_xaxes(type="log" if across.log else "linear", automargin=True, title=title)
    figure.update_yaxes(type="log" if up.log else "linear", automargin=True, title=title)
    return figure


def _line(figure: "go.Figure", trade: Trade, across: Scale, up: Scale, hues: Colours) -> None:
    front = trade.front
    figure.add_scatter(
        x=[_value(point.x, across) for point in front],
        y=[_value(point.y, up) for point in front],
        mode="lines",
        # Between two of the front nothing better than the cheaper one is known: a step, no slope.
        line={"color": hues.accent, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )


def _value(spread: Spread, scale: Scale) -> float:
    return (spread.median or 0.0) / scale.per


def _points(
    figure: "go.Figure",
    trade: Trade,
    chosen: Sequence[tuple[int, Point]],
    scales: tuple[Scale, Scale],
    hues: Colours,
) -> None:
    across, up = scales
    front = chosen[0][1].front
    points = [point for _, point in chosen]
    labelled = front or len(trade.points) <= _LABELLED
    figure.add_scatter(
        x=[_value(point.x, across) for point in points],
        y=[_value(point.y, up) for point in points],
        mode="markers+text" if labelled else "markers",
        text=[markup(point.technique, 24) for point in points],
        textposition=_beside(trade, points),
        textfont={"color": hues.text if front else hues.muted, "size": 11},
        marker={
            "size": 12 if front else 9,
            "color": hues.accent if front else hues.muted,
            "opacity": 1.0 if front else _FAINT,
            "symbol": ["square" if point.baseline else "circle" for point in points],
        },
        error_x=_bars([point.x for point in points], across, hues, front=front),
        error_y=_bars([point.y for point in points], up, hues, front=front),
        customdata=[[place] for place, _ in chosen],
        hovertext=[_hover(point, trade) for point in points],
        hoverinfo="text",
        cliponaxis=False,
    )


def _beside(trade: Trade, points: Sequence[Point]) -> list[str]:
    """Return where labels stand: above and below the line by turns, within the chart at its end."""
    rises = goal_of(trade.y, trade) == "max"
    sides = ("bottom right", "top right") if rises else ("top right", "bottom right")
    found = [sides[place % 2] for place in range(len(points))]
    last = trade.points[-1]
    if len(trade.points) > 1 and last in points:
        found[points.index(last)] = "top left" if rises else "bottom left"
    return found


def _bars(
    spreads: Sequence[Spread], scale: Scale, hues: Colours, *, front: bool
) -> dict[str, object]:
    ends = [
        (0.0, 0.0)
        if s.median is None or s.low is None or s.high is None
        else ((s.high - s.median) / scale.per, (s.median - s.low) / scale.per)
        for s in spreads
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [more for more, _ in ends],
        "arrayminus": [less for _, less in ends],
        "thickness": 1.2,
        "width": 3,
        "color": hues.muted if front else hues.line,
    }


def _hover(point: Point, trade: Trade) -> str:
    role = " (baseline)" if point.baseline else ""
    lines = (
        f"<b>{markup(point.technique, 60)}</b>{role}",
        *(
            f"{markup(title_of(axis, trade), 40)}: {markup(figure_of(point, axis, trade))}"
            + (f" {point.energy}" if axis == "joules" else "")
            for axis in (trade.y, trade.x)
        ),
        counted(point.runs, "run"),
        markup(standing(point), 120),
    )
    return "<br>".join(lines)
