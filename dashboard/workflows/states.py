"""States of runs and tasks in words, shapes and colours: no state is told by its colour alone."""

from collections.abc import Iterable, Mapping

from dashboard.charts.theme import Colours
from dashboard.components import status

_WORDS: Mapping[str, str] = {
    "success": "succeeded",
    "up_for_retry": "waits for its retry",
    "up_for_reschedule": "deferred",
    "upstream_failed": "not reached",
    "awaiting_input": "wants an answer",
    "none": "not begun",
    "other": "unknown",
}
_SHAPES: Mapping[str, str] = {
    "green": "✓", "red": "✕", "orange": "▲", "blue": "◔", "violet": "◷", "gray": "○", "yellow": "▲",
}  # fmt: skip
_WORST = (
    "failed", "upstream_failed", "awaiting_input", "up_for_retry", "restarting", "running",
    "queued", "scheduled", "deferred", "up_for_reschedule", "none", "other", "removed", "skipped",
    "success",
)  # fmt: skip


def word(state: str) -> str:
    """Return a state of Airflow's as people say it."""
    return _WORDS.get(state, state)


def shape(state: str) -> str:
    """Return the sign of a state."""
    return _SHAPES[status.look(word(state)).colour]


def tone(state: str, hues: Colours) -> str:
    """Return the colour of a state in the theme."""
    return hues.of(status.look(word(state)).colour)


def worst(states: Iterable[str]) -> str:
    """Return the state that stands for several: what failed before what runs, what is done last."""
    found = set(states)
    return next((state for state in _WORST if state in found), "none")
