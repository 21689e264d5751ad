"""Charts for analysis: plotly figures people zoom and select in, in the theme's colours."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.theme import colours

if TYPE_CHECKING:
    import plotly.graph_objects as go

_TOOLS = ["lasso2d", "select2d", "autoScale2d", "toggleSpikelines"]


def figure(*, x: str = "", y: str = "", height_px: int = 360) -> "go.Figure":
    """Return an empty figure with axes titled by what they measure and in which unit."""
    import plotly.graph_objects as go

    hues = colours()
    axis = {"gridcolor": hues.line, "zerolinecolor": hues.line, "linecolor": hues.line}
    return go.Figure(
        layout={
            "height": height_px,
            "margin": {"l": 56, "r": 16, "t": 12, "b": 44},
            "colorway": hues.series,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": hues.text, "size": 12},
            "hoverlabel": {"bgcolor": hues.surface, "font": {"color": hues.text}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": axis | {"title": {"text": x}},
            "yaxis": axis | {"title": {"text": y}},
        }
    )


def draw(
    chart: "go.Figure",
    *,
    key: str,
    picked: Callable[[], None] | None = None,
    alt: str | None = None,
) -> None:
    """Draw a figure with only the tools that are of use.

    ``picked`` is called after a click on a point, which is then in the widget's state.
    """
    config = {"displaylogo": False, "modeBarButtonsToRemove": _TOOLS}
    if picked is None:
        st.plotly_chart(chart, key=key, theme=None, config=config, alt=alt)
        return
    st.plotly_chart(
        chart,
        key=key,
        theme=None,
        config=config,
        alt=alt,
        on_select=picked,
        selection_mode="points",
    )
