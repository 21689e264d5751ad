"""States and steps of a retraining as sign, word and colour together; its thread as a drawing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from urllib.parse import parse_qs, urlsplit

from dashboard import navigation
from dashboard.charts.theme import Colours
from dashboard.deployments.looks import Look, hue
from dashboard.numbers import moment, number
from dashboard.text import markup
from services.retraining.models import Happened, State

_STATES: Mapping[State, Look] = {
    "open": Look("front_hand", "◷", "violet", "waits for a decision"),
    "accepted": Look("progress_activity", "◔", "blue", "is being launched"),
    "running": Look("progress_activity", "◔", "blue", "trains"),
    "judging": Look("balance", "◑", "blue", "beside the live version"),
    "dismissed": Look("close", "○", "gray", "dismissed"),
    "promoted": Look("check_circle", "✓", "green", "promoted"),
    "dropped": Look("undo", "▲", "orange", "dropped"),
    "failed": Look("cancel", "✕", "red", "failed"),
}
WORDS = tuple(look.word for look in _STATES.values())
_UNKNOWN = Look("help", "?", "gray", "not known")
_STEPS: Mapping[str, Look] = {
    "alert": Look("notifications", "▲", "orange", "Alert"),
    "proposed": Look("model_training", "◷", "violet", "Proposed"),
    "merged": Look("call_merge", "◷", "violet", "Reason added"),
    "refused": Look("do_not_disturb_on", "○", "gray", "Not by itself"),
    "accepted": Look("check", "✓", "green", "Accepted"),
    "dismissed": Look("close", "○", "gray", "Dismissed"),
    "collected": Look("dataset", "◔", "blue", "Collected"),
    "launched": Look("play_arrow", "◔", "blue", "Launched"),
    "trained": Look("check_circle", "✓", "green", "Trained"),
    "gates": Look("rule", "◇", "blue", "Gates"),
    "beside": Look("call_split", "◑", "blue", "Beside live"),
    "waits": Look("schedule", "◷", "violet", "Waits"),
    "verdict": Look("balance", "◇", "blue", "Verdict"),
    "stopped": Look("stop_circle", "○", "gray", "Stopped"),
    "promoted": Look("check_circle", "✓", "green", "Promoted"),
    "dropped": Look("undo", "▲", "orange", "Dropped"),
    "failed": Look("cancel", "✕", "red", "Failed"),
}


def states(words: Sequence[str]) -> tuple[State, ...]:
    """Return the states that are called so."""
    return tuple(state for state, look in _STATES.items() if look.word in words)


def look(state: str) -> Look:
    """Return how a state is drawn; one of a later version has a question mark."""
    return next((found for known, found in _STATES.items() if known == state), _UNKNOWN)


def html(lines: Sequence[Happened], hues: Colours, zone: tzinfo = UTC) -> str:
    """Return a thread as a list, oldest first."""
    steps = "".join(_step(one, hues, zone) for one in lines)
    return (
        f'<ol aria-label="{len(lines)} steps, oldest first" style="list-style:none;margin:0;'
        f'padding:0;font-size:13px;line-height:19px">{steps}</ol>'
    )


def _step(one: Happened, hues: Colours, zone: tzinfo) -> str:
    shown = _STEPS.get(one.what, _UNKNOWN)
    at = moment(datetime.fromtimestamp(one.at, UTC), zone)
    numbers = "".join(_number(name, value) for name, value in one.numbers.items())
    figures = f'<div style="color:{hues.muted}">{numbers}</div>' if numbers else ""
    return (
        '<li style="display:grid;grid-template-columns:22px 104px 1fr auto;gap:0 8px;'
        'padding:3px 0">'
        f'<span style="color:{hue(shown, hues)};font-weight:700" aria-hidden="true">'
        f"{shown.sign}</span>"
        f'<span style="color:{hues.text};font-weight:500">{_linked(shown.word, one.link)}</span>'
        f'<span style="color:{hues.text};overflow-wrap:anywhere">{markup(one.said, 800)}'
        f"{figures}</span>"
        f'<span style="color:{hues.muted};white-space:nowrap;font-variant-numeric:tabular-nums">'
        f"{markup(one.actor, 40)} · {markup(at)}</span></li>"
    )


def _number(name: str, value: float | str | None) -> str:
    told = value if isinstance(value, str) else number(value)
    word = markup(name.replace("_", " "), 60)
    return f'<span style="white-space:nowrap">{word} {markup(told, 60)}</span> &nbsp; '


def _linked(word: str, link: str) -> str:
    """Return a word as a link, where this installation has the page."""
    parts = urlsplit(link)
    page = parts.path.strip("/")
    if not page or not navigation.has(page):
        return markup(word)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    href = markup(navigation.address(page, **query))
    return f'<a href="{href}" target="_self" style="color:inherit">{markup(word)}</a>'
