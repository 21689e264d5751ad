"""Metric tiles: a figure with its unit, what it was before, and its recent course."""

import re
from collections.abc import Sequence
from typing import Literal

import streamlit as st

from dashboard.numbers import UNKNOWN, Delta, Goal
from dashboard.numbers import delta as difference
from dashboard.text import plain

_SIGNS = re.compile(r"[*_\[\]$<>:`~#\\]")


def tile(
    label: str,
    value: str | None,
    *,
    delta: Delta | None = None,
    versus: str = "",
    trend: Sequence[float] = (),
    chart: Literal["line", "bar", "area"] = "line",
    why: str = "",
) -> None:
    """Draw one tile. ``value`` is formatted with its unit; None shows as not reported, with why."""
    st.metric(
        plain(label),
        UNKNOWN if value is None else _literal(value),
        delta=None if delta is None else delta.text.replace("−", "-"),  # else it reads as a rise
        delta_color="off" if delta is None or delta.good is None else _colour(delta),
        delta_description=versus or None if delta is not None else None,
        chart_data=list(trend) if len(trend) > 1 else None,
        chart_type=chart,
        border=True,
        height="stretch",
        help=plain(why, 400) or None,
    )


def _literal(value: str) -> str:
    """Return a value as it is; one with signs that mean something in markdown as plain text."""
    return plain(value) if _SIGNS.search(value) else value


def change(value: float | None, before: float | None, goal: Goal | None = None) -> Delta | None:
    """Return the change of a figure for a tile."""
    return difference(value, before, goal)


def _colour(delta: Delta) -> Literal["normal", "inverse"]:
    # "normal" draws a rise green and a fall red; the goal decides which of them is good.
    rises = not delta.text.startswith("−")
    return "normal" if rises == delta.good else "inverse"
