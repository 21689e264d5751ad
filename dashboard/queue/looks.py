"""Reasons as sign, word and colour together: none of the three is left to speak alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.theme import Colours
from dashboard.components.status import Colour
from services.workflows.queue import KINDS

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig


@dataclass(frozen=True, slots=True)
class Look:
    """How a reason is drawn."""

    icon: str
    sign: str
    """Where no icon can be: in the cells of tables."""
    colour: Colour


_LOOKS: Mapping[str, Look] = {
    "running": Look("play_circle", "▶", "blue"),
    "starting": Look("rocket_launch", "◔", "green"),
    "order": Look("format_list_numbered", "≡", "gray"),
    "memory": Look("memory", "▤", "violet"),
    "power": Look("bolt", "◇", "yellow"),
    "thermal": Look("device_thermostat", "▲", "orange"),
    "quota": Look("timelapse", "◆", "violet"),
    "dependency": Look("account_tree", "↳", "gray"),
    "paused": Look("pause_circle", "‖", "yellow"),
    "no_host": Look("desktop_access_disabled", "∅", "red"),
    "never": Look("block", "✕", "red"),
    "engine": Look("cloud_off", "○", "red"),
}
_UNKNOWN = Look("help", "?", "gray")
STANCES: Mapping[str, tuple[str, str, Colour]] = {
    "open": ("check_circle", "normal", "green"),
    "single": ("filter_1", "one heavy job at a time", "orange"),
    "hold": ("front_hand", "no heavy job starts", "orange"),
    "pause": ("pause_circle", "training pauses", "red"),
}
"""Where the thermal policy stands: icon, words, colour."""


def look(kind: str) -> Look:
    """Return how a reason is drawn; one of a later version has a question mark."""
    return _LOOKS.get(kind, _UNKNOWN)


def word(kind: str) -> str:
    """Return a reason in a word or two."""
    return next((said for known, said in KINDS.items() if known == kind), kind)


def badge(kind: str) -> None:
    """Draw a reason as a badge."""
    drawn = look(kind)
    st.badge(word(kind), icon=f":material/{drawn.icon}:", color=drawn.colour)


def cell(kind: str) -> list[str]:
    """Return a reason for a cell of ``column``."""
    return [f"{look(kind).sign} {word(kind)}"]


def column(label: str, kinds: Iterable[str], width_px: int) -> "ColumnConfig":
    """Return a table column that draws ``cell`` in the reasons' colours."""
    known = tuple(kinds)
    made = st.column_config.MultiselectColumn(
        label,
        options=[cell(kind)[0] for kind in known],
        color=[look(kind).colour for kind in known],
    )
    made["width"] = width_px
    return made


def hue(kind: str, hues: Colours) -> str:
    """Return the colour of a reason in charts: no two that may stand side by side are alike."""
    series = hues.series
    return {
        "running": hues.accent,
        "starting": hues.good,
        "order": hues.muted,
        "memory": series[4 % len(series)],
        "power": series[5 % len(series)],
        "thermal": hues.warn,
        "quota": series[3 % len(series)],
        "dependency": series[2 % len(series)],
        "paused": series[7 % len(series)],
        "no_host": hues.diverging[2 % len(hues.diverging)],
        "never": hues.bad,
        "engine": hues.text,
    }.get(kind, hues.line)
