"""What happened to an alert, in the order of time: evidence, people, messages, actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from dashboard import navigation
from dashboard.alerts import looks
from dashboard.alerts.access import Story
from dashboard.charts.theme import Colours
from dashboard.monitoring.address import to_retraining
from dashboard.numbers import age, counted, duration, moment
from dashboard.text import markup
from services.actions.records import ActionRecord
from services.alerting.models import Message, Note
from services.retraining.models import Proposal

_BODY = 1_500
_TOLD: Mapping[str, str] = {
    "firing": "that it fires",
    "reminder": "that it still lasts",
    "resolved": "that it is over",
    "digest": "in a digest",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: float
    what: str
    """As ``looks.happened`` knows it."""
    said: str
    who: str = ""
    body: str = ""
    """What a message said."""
    address: str = ""
    """The page that shows it."""


def told(story: Story, whole: bool) -> list[Line]:  # noqa: FBT001 - one word, named by its only caller
    """Return the lines, oldest first; ``whole``: also what messages told of other alerts."""
    lines = [_noted(one) for one in story.notes if not _is_message(one, story.messages)]
    lines += [_message(one, whole=whole) for one in story.messages]
    lines += [_action(one) for one in story.led_to.others]
    lines += [_answer(one) for one in story.led_to.retrainings]
    return sorted(lines, key=lambda line: line.at)


def _is_message(note: Note, messages: Sequence[Message]) -> bool:
    # A message is written in the transaction of its note.
    return note.what == "told" and any(abs(one.created_at - note.at) < 0.01 for one in messages)


def _noted(note: Note) -> Line:
    who = "" if note.actor == "platform" else note.actor
    return Line(note.at, note.what, note.said, who)


def _message(one: Message, *, whole: bool) -> Line:
    what = _TOLD.get(one.what, one.what)
    others = len(one.alerts) - 1
    beside = f", with {counted(others, 'other alert')}" if others > 0 else ""
    said = f"{one.channel}, {what}{beside}"
    if one.state == "sent" and one.sent_at is not None:
        took = max(0.0, one.sent_at - one.created_at)
        tries = f", at the {one.attempts}. try" if one.attempts > 1 else ""
        said += f"; it arrived after {duration(took)}{tries}"
    elif one.error:
        said += f": {one.error}"
    body = one.body if whole or others == 0 else ""
    return Line(one.created_at, one.state, said, body=body)


def _action(one: ActionRecord) -> Line:
    words = {"done": "", "pending": " (waits)", "running": " (under way)"}
    ended = words.get(one.state, f" {one.state}: {one.error}")
    result = f": {one.result}" if one.result else ""
    return Line(
        one.submitted_at.timestamp(), "did", f"{one.title}{ended}{result}", one.actor,
        address=navigation.address("activity", who=one.actor),
    )  # fmt: skip


def _answer(one: Proposal) -> Line:
    """Tell how a retraining stands, at the time of the last that was decided about it."""
    at = one.ended_at or one.decided_at or one.created_at
    return Line(
        at, "retraining", f"Retraining {one.id} is {one.state}: {one.said or one.why}",
        address=to_retraining(one.id) if navigation.has("monitoring") else "",
    )  # fmt: skip


def html(lines: Sequence[Line], hues: Colours, zone: tzinfo) -> str:
    """Return the lines as a list; a message unfolds."""
    now = datetime.now(UTC)
    rows = "".join(_row(one, hues, zone, now) for one in lines)
    return (
        '<div role="list" style="font-size:14px;line-height:21px;overflow-wrap:anywhere">'
        f"{rows}</div>"
    )


def _row(line: Line, hues: Colours, zone: tzinfo, now: datetime) -> str:
    shown = looks.happened(line.what)
    at = datetime.fromtimestamp(line.at, UTC)
    who = f"{markup(line.who, 80)}: " if line.who else ""
    said = markup(line.said, 600)
    if line.address:
        said = (
            f'<a href="{markup(line.address)}" style="color:{hues.accent};'
            f'text-decoration:none">{said}</a>'
        )
    body = ""
    if line.body:
        body = (
            f'<details style="color:{hues.muted};font-size:12.5px"><summary style="cursor:pointer">'
            f'What it said</summary><div style="white-space:pre-wrap">{markup(line.body, _BODY)}'
            "</div></details>"
        )
    return (
        '<div role="listitem" style="display:grid;grid-template-columns:86px 18px minmax(0,1fr);'
        f'gap:0 8px;padding:5px 0;border-bottom:1px solid {hues.line}">'
        f'<span title="{markup(moment(at, zone))}" style="color:{hues.muted};font-size:12.5px">'
        f"{age(at, now)}</span>"
        f'<span aria-hidden="true" style="color:{looks.hue(shown, hues)};text-align:center">'
        f"{shown.sign}</span>"
        f'<div><b style="font-weight:600">{shown.word}.</b> {who}{said}{body}</div></div>'
    )
