"""Who held an alias when: the answer to "what was champion at that moment", as a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from dashboard.numbers import duration, moment
from services.actions.history import OBSERVED, AliasSpan


@dataclass(frozen=True, slots=True)
class Answer:
    """What held an alias at a moment."""

    sentence: str
    version: int | None
    """None: nothing did, or nobody knows."""
    known: bool


def answer(
    spans: Sequence[AliasSpan], alias: str, at: datetime, zone: tzinfo, now: datetime
) -> Answer:
    """Return which version carried the alias at a moment, from its spans, newest first."""
    when = moment(at, zone)
    if at > now:
        return Answer(f"{when} has not come yet.", None, known=False)
    span = next((span for span in spans if span.since <= at), None)
    if span is None:
        first = spans[-1].since if spans else None
        told = f"it was first seen {moment(first, zone)}" if first else "it was never set"
        return Answer(f"Nothing is known of {alias} at {when}: {told}.", None, known=False)
    if span.version is None:
        told = f"{_by(span)} took the alias away {moment(span.since, zone)}"
        return Answer(f"No version was {alias} at {when}: {told}.", None, known=True)
    since = moment(span.since, zone)
    end = f"until {moment(span.until, zone)}" if span.until else "and still is"
    made = f"It was {_how(span)} {since} {end}."
    why = f" The reason given: {span.reason}" if span.reason else ""
    return Answer(
        f"At {when} version {span.version} was {alias}. {made}{why}", span.version, known=True
    )


def lasted(span: AliasSpan, now: datetime) -> str:
    """Return how long a span lasted, or lasts so far."""
    told = duration(((span.until or now) - span.since).total_seconds())
    return told if span.until else f"{told} so far"


def past_holders(spans: Sequence[AliasSpan]) -> frozenset[int]:
    """Return the versions that carried the alias once."""
    return frozenset(span.version for span in spans if span.version is not None)


def by_hand(span: AliasSpan) -> bool:
    """Return whether the alias was moved by other means than this platform."""
    return span.action_id is None


def _by(span: AliasSpan) -> str:
    return "Somebody outside this platform" if span.actor == OBSERVED else span.actor


def _how(span: AliasSpan) -> str:
    return f"set {OBSERVED}" if span.actor == OBSERVED else f"promoted by {span.actor}"
