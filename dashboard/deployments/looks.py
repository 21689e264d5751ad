"""Phases as sign, word and colour together: none of the three is left to speak alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard.charts.theme import Colours
from dashboard.components.status import Colour
from dashboard.text import plain
from services.serving import on_the_way
from services.serving.looking import RolloutLook
from services.serving.models import EventKind, Phase, RolloutStep


@dataclass(frozen=True, slots=True)
class Look:
    """How a phase is drawn."""

    icon: str
    sign: str
    """Where no icon can be: in our own drawings."""
    colour: Colour
    word: str


_LOOKS: Mapping[Phase, Look] = {
    "waiting": Look("schedule", "◷", "violet", "waits"),
    "loading": Look("downloading", "◔", "blue", "loading"),
    "warming": Look("local_fire_department", "◔", "blue", "warming up"),
    "checking": Look("rule", "◔", "blue", "being checked"),
    "canary": Look("call_split", "◑", "violet", "canary"),
    "shadow": Look("content_copy", "◑", "violet", "shadow"),
    "switching": Look("swap_horiz", "◔", "blue", "switching"),
    "watching": Look("visibility", "◉", "blue", "live, watched"),
    "live": Look("check_circle", "✓", "green", "live"),
    "rolling-back": Look("undo", "▲", "orange", "rolling back"),
    "rolled-back": Look("undo", "▲", "orange", "rolled back"),
    "failed": Look("cancel", "✕", "red", "failed"),
    "draining": Look("hourglass_bottom", "◌", "gray", "draining"),
    "stopped": Look("stop_circle", "○", "gray", "stopped"),
    "idle": Look("bedtime", "☾", "gray", "idle"),
}
KEPT = Look("undo", "○", "gray", on_the_way.KEPT)
_UNKNOWN = Look("help", "?", "gray", "not known")
WORDS = tuple(dict.fromkeys(look.word for look in _LOOKS.values()))
_OUTCOMES: Mapping[str, Look] = {
    "running": Look("progress_activity", "◔", "blue", "under way"),
    "live": _LOOKS["live"],
    "rolled-back": _LOOKS["rolled-back"],
    "failed": _LOOKS["failed"],
    "aborted": Look("block", "○", "gray", "ended by a person"),
}
_STEPS: Mapping[str, Look] = {
    "waiting": Look("radio_button_unchecked", "○", "gray", "to come"),
    "running": Look("progress_activity", "◔", "blue", "under way"),
    "done": Look("check_circle", "✓", "green", "done"),
    "failed": _LOOKS["failed"],
}
_EVENTS: Mapping[EventKind, Look] = {
    "deploy": Look("rocket_launch", "◷", "violet", "deployed"),
    "live": Look("check_circle", "✓", "green", "went live"),
    "canary": _LOOKS["canary"],
    "shadow": _LOOKS["shadow"],
    "rolled-back": _LOOKS["rolled-back"],
    "failed": _LOOKS["failed"],
    "scaled": Look("linear_scale", "◇", "blue", "scaled"),
    "evicted": Look("logout", "▲", "orange", "made room"),
    "woken": Look("wb_sunny", "◇", "blue", "woken"),
    "idle": _LOOKS["idle"],
    "restarted": Look("restart_alt", "▲", "orange", "restarted"),
    "undeployed": Look("stop_circle", "○", "gray", "undeployed"),
}


def look(phase: str) -> Look:
    """Return how a phase is drawn; one of a later version has a question mark."""
    return next((found for known, found in _LOOKS.items() if known == phase), _UNKNOWN)


def outcome(rollout: RolloutLook) -> Look:
    """Return how the end of a rollout is drawn."""
    return _OUTCOMES.get(rollout.outcome, _UNKNOWN)


def step(one: RolloutStep) -> Look:
    """Return how a step of a rollout is drawn."""
    return _STEPS.get(one.state, _UNKNOWN)


def event(kind: str) -> Look:
    """Return how a line of an endpoint's history is drawn."""
    return next((found for known, found in _EVENTS.items() if known == kind), _UNKNOWN)


def badge(shown: Look, *, why: str = "") -> None:
    """Draw it as a badge; ``why`` shows on hover."""
    st.badge(
        shown.word,
        icon=f":material/{shown.icon}:",
        color=shown.colour,
        help=plain(why, 400) or None,
    )


def hue(shown: Look, hues: Colours) -> str:
    """Return its colour in our own drawings."""
    return hues.of(shown.colour)
