"""Events and alerts of the tests."""

from typing import Any

from services.alerting import engine
from services.alerting.engine import Book
from services.alerting.models import Alert, Channel, Event, Policy

NOW = 1_800_000_000.0
POLICY = Policy()
NONE: frozenset[str] = frozenset()


def event(key: str = "run/lora/sgd", at: float = NOW, state: Any = "firing", **said: Any) -> Event:
    given = {"title": f"{key} is not well", "project": "lora", **said}
    return Event(key, at, state, **given)


def ok(key: str = "run/lora/sgd", at: float = NOW + 60, **said: Any) -> Event:
    return event(key, at, "ok", **{"said": "It is well.", **said})


def unknown(key: str = "run/lora/sgd", at: float = NOW + 60, **said: Any) -> Event:
    return event(key, at, "unknown", **{"said": "Nobody can tell.", **said})


def after(*events: Event, book: Book | None = None, now: float | None = None) -> Book:
    """Take in events, each at its own time unless said otherwise."""
    found = book or Book()
    for one in events:
        found = engine.apply(found, [one], (), one.at if now is None else now, POLICY)
    return found


def alert(*events: Event, **said: Any) -> Alert:
    """Return what comes of events on one key."""
    found = after(*(events or (event(**said),)))
    (one,) = found.alerts.values()
    return one


def channel(name: str = "ops", **said: Any) -> Channel:
    return Channel(name, "json", **said)


def states(found: tuple[Event, ...] | list[Event]) -> dict[str, str]:
    return {one.key: one.state for one in found}
