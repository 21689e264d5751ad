"""States as shape, word and colour together: none of the three is left to speak alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard.text import plain

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

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
    "denied": ("do_not_disturb_on", "orange"),
    "started": ("progress_activity", "blue"),
    "undone": ("undo", "orange"),
    "compensated": ("undo", "orange"),
    # accounts
    "enabled": _GREEN,
    "disabled": ("person_off", "gray"),
    # gates and checks
    "passed": _GREEN,
    "ok": _GREEN,
    "warning": ("warning", "orange"),
    "problem": ("error", "red"),
    "unknown": ("help", "gray"),
    "no gates": ("remove", "gray"),
    # alerts
    "critical": ("error", "red"),
    "info": ("info", "blue"),
    "firing": ("notifications_active", "red"),
    "acknowledged": ("person_check", "blue"),
    "silenced": ("notifications_off", "gray"),
    "inhibited": ("subdirectory_arrow_right", "gray"),
    "resolved": _GREEN,
    # the registry
    "waiting": ("schedule", "violet"),
    "current": _GREEN,
    "earlier": ("history", "gray"),
    # deployments
    "rolled back": ("undo", "orange"),
    # data
    "clean": _GREEN,
    "changed": ("edit", "orange"),
    "untracked": ("note_add", "orange"),
    "shown": ("visibility", "blue"),
    "empty": ("folder", "gray"),
    "not listed": ("remove", "gray"),
    "gone": ("folder_off", "red"),
    "unfinished": ("error", "red"),
    "damaged": ("error", "red"),
    "looking": ("progress_activity", "blue"),
    "there": _GREEN,
    "queued": ("schedule", "violet"),
    "not sent": ("cloud_off", "gray"),
    "not asked": ("radio_button_unchecked", "gray"),
    "away": ("cloud_off", "red"),
    "added": ("add_circle", "green"),
    "removed": ("do_not_disturb_on", "red"),
    # workflows, in the words of ``dashboard.workflows.states``
    "succeeded": _GREEN,
    "waits for its retry": ("replay", "orange"),
    "not reached": ("block", "orange"),
    "skipped": ("redo", "gray"),
    "deferred": ("schedule", "violet"),
    "restarting": ("replay", "orange"),
    "wants an answer": ("front_hand", "orange"),
    "not begun": ("radio_button_unchecked", "gray"),
    "never ran": ("radio_button_unchecked", "gray"),
    "paused": ("pause_circle", "violet"),
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


_SHAPES: Mapping[Colour, str] = {
    "green": "✓",
    "red": "✕",
    "orange": "▲",
    "blue": "◔",
    "violet": "◷",
    "gray": "○",
    "yellow": "▲",
}


def cell(state: str) -> list[str]:
    """Return a state for a cell of ``column``: its shape and its word."""
    return [f"{_SHAPES[look(state).colour]} {state}"]


def column(label: str, states: Iterable[str]) -> "ColumnConfig":
    """Return a table column that draws ``cell`` in the states' colours."""
    known = tuple(states)
    return st.column_config.MultiselectColumn(
        label,
        options=[cell(state)[0] for state in known],
        color=[look(state).colour for state in known],
        width="small",
    )
