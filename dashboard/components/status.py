"""States as shape, word and colour together: none of the three is left to speak alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from dashboard.text import plain

Colour = Literal["green", "red", "orange", "blue", "violet", "gray", "yellow"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is drawn."""

    icon: str
    colour: Colour
    word: str

    @property
    def text(self) -> str:
        """Icon and word as markdown, in the state's colour."""
        return f":{self.colour}[:material/{self.icon}: {self.word}]"


_Drawn = tuple[str, Colour]
_GREEN: _Drawn = ("check_circle", "green")
_LOOKS: Mapping[str, _Drawn] = {
    # runs
    "running": ("progress_activity", "blue"),
    "finished": _GREEN,
    "failed": ("cancel", "red"),
    "killed": ("block", "red"),
    "scheduled": ("schedule", "violet"),
    "lost": ("help", "orange"),
    "archived": ("inventory_2", "gray"),
    # projects
    "connected": _GREEN,
    "connecting": ("sync", "blue"),
    "broken": ("error", "red"),
    "missing": ("folder_off", "orange"),
    # engines
    "live": _GREEN,
    "stale": ("schedule", "orange"),
    "down": ("error", "red"),
    "never": ("radio_button_unchecked", "gray"),
    # actions
    "pending": ("schedule", "violet"),
    "done": _GREEN,
    "refused": ("do_not_disturb_on", "orange"),
    "compensated": ("undo", "orange"),
    # gates and checks
    "passed": _GREEN,
    "ok": _GREEN,
    "warning": ("warning", "orange"),
    "problem": ("error", "red"),
    "unknown": ("help", "gray"),
}


def look(state: str, word: str | None = None) -> Look:
    """Return how a state is drawn; an unknown one is grey with a question mark."""
    icon, colour = _LOOKS.get(state, _LOOKS["unknown"])
    return Look(icon, colour, plain(state if word is None else word, 40))


def badge(state: str, word: str | None = None, *, why: str = "") -> None:
    """Draw a state as a badge; ``why`` shows on hover."""
    shown = look(state, word)
    st.badge(
        shown.word, icon=f":material/{shown.icon}:", color=shown.colour, help=plain(why) or None
    )


def inline(state: str, subject: str = "") -> str:
    """Return a badge as markdown, to stand in a line with others: ``MLflow live``."""
    shown = look(state)
    told = f"{plain(subject, 40)} {shown.word}" if subject else shown.word
    return f":{shown.colour}-badge[:material/{shown.icon}: {told}]"
