"""Severities, states and what happened, as sign, word and colour together."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.charts.theme import Colours
from dashboard.components.status import Colour


@dataclass(frozen=True, slots=True)
class Look:
    """How something is drawn."""

    icon: str
    sign: str
    """Where no icon can be: in our own drawings."""
    colour: Colour
    word: str


_UNKNOWN = Look("help", "?", "gray", "not known")
_SEVERITIES: Mapping[str, Look] = {
    "critical": Look("error", "✕", "red", "critical"),
    "warning": Look("warning", "▲", "orange", "warning"),
    "info": Look("info", "◇", "blue", "info"),
}
_STATES: Mapping[str, Look] = {
    "firing": Look("notifications_active", "●", "red", "nobody looks after it"),
    "acknowledged": Look("person_check", "◉", "blue", "looked after"),
    "silenced": Look("notifications_off", "◌", "gray", "silenced"),
    "inhibited": Look("subdirectory_arrow_right", "↳", "gray", "explained by another"),
    "unknown": Look("help", "?", "gray", "nobody can tell now"),
    "resolved": Look("check_circle", "✓", "green", "over"),
}
_HAPPENED: Mapping[str, Look] = {
    "fired": Look("notifications_active", "●", "red", "It fired"),
    "again": Look("replay", "●", "red", "It came back"),
    "worse": Look("trending_up", "▲", "red", "It got worse"),
    "milder": Look("trending_down", "▽", "orange", "It got milder"),
    "unknown": Look("help", "?", "gray", "Nobody can tell"),
    "seen": Look("visibility", "●", "orange", "It is seen again"),
    "resolved": Look("check_circle", "✓", "green", "It is over"),
    "acknowledged": Look("person_check", "◉", "blue", "Acknowledged"),
    "lapsed": Look("timer_off", "○", "orange", "The acknowledgement ended, and it is still open"),
    "taken-back": Look("undo", "○", "gray", "Nobody looks after it any more"),
    "closed": Look("task_alt", "✓", "green", "Closed by a person"),
    "told": Look("send", "→", "blue", "Told"),
    "sent": Look("send", "→", "blue", "Arrived"),
    "waiting": Look("schedule_send", "◷", "violet", "Waits to be sent"),
    "sending": Look("schedule_send", "◷", "violet", "Is being sent"),
    "failed": Look("cancel", "✕", "red", "Did not arrive"),
    "did": Look("bolt", "◆", "violet", "Action"),
    "retraining": Look("model_training", "◆", "violet", "Retraining"),
}


def severity(word: str) -> Look:
    """Return how a severity is drawn."""
    return _SEVERITIES.get(word, _UNKNOWN)


def state(word: str) -> Look:
    """Return how a state is drawn."""
    return _STATES.get(word, _UNKNOWN)


def happened(word: str) -> Look:
    """Return how a line of a story is drawn; one of a later version has a question mark."""
    return _HAPPENED.get(word, _UNKNOWN)


def hue(shown: Look, hues: Colours) -> str:
    """Return its colour in our own drawings."""
    return hues.of(shown.colour)
