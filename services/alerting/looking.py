"""All rules in turn: one that cannot look ends no alert, and keeps no other from looking."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.alerting.engine import same_words
from services.alerting.models import CAUSE, Alert, Event, kind_of
from services.errors import MlopsError

_REPEATED_S = 300.0
"""What lasts and is as it was is written so often."""
Look = Callable[[float, frozenset[str]], Sequence[Event]]
"""(now, keys of its open alerts) → what is to be said."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, and which kinds of alerts are its own."""

    kinds: frozenset[str]
    look: Look


def heard(rules: Iterable[Rule], open_keys: Iterable[str], now: float) -> tuple[Event, ...]:
    """Return what the rules say now; what none of them can tell of is unknown.

    Args:
        rules: Each has kinds of its own; alerts of other kinds are left to who posts them.
        open_keys: Keys of all alerts that are open.
        now: Seconds since 1970.
    """
    keys = frozenset(open_keys)
    found: list[Event] = []
    for rule in rules:
        mine = frozenset(key for key in keys if kind_of(key) in rule.kinds)
        why = "Nothing is known of it now."
        said: Sequence[Event] = ()
        try:
            said = rule.look(now, mine)
        except MlopsError as error:
            why = f"Nobody can tell now: {error.message}"
        found += said
        left = mine.difference(event.key for event in said)
        found += [Event(key, now, "unknown", said=why) for key in sorted(left)]
    return tuple(found)


def news(events: Iterable[Event], alerts: Mapping[str, Alert], now: float) -> tuple[Event, ...]:
    """Leave out what says again what is written already: a trouble that lasts costs no writing."""
    return tuple(event for event in events if not _repeats(event, alerts.get(event.key), now))


def _repeats(event: Event, alert: Alert | None, now: float) -> bool:
    if alert is None:
        return event.state != "firing"
    # What was seen at a time to come was seen by a clock that was set back since.
    if not alert.open:
        return event.state != "firing" or event.at <= alert.last_at <= now
    if event.state == "unknown":
        same = same_words(alert.unknown_because, event.said)
        return alert.condition == "unknown" and same
    if event.state == "ok" or alert.condition != "firing":
        return False
    if event.labels.get(CAUSE, alert.labels.get(CAUSE)) != alert.labels.get(CAUSE):
        return False  # its cause was found meanwhile
    lately = event.at <= alert.last_at <= now or 0 <= now - alert.last_at < _REPEATED_S
    return lately and event.severity == alert.severity
