"""One turn: what was handed over and what rules say becomes alerts and messages, in one write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from services.actions.journal import Journal
from services.alerting import engine, outbox, pacing, store, telling
from services.alerting.engine import Book
from services.alerting.models import Alert, Channel, Event, Note, Policy
from services.alerting.telling import Draft

EVENTS_AT_ONCE = 2000
"""So the transaction stays short, whatever storms."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did."""

    events: int
    messages: int
    again: bool
    """Whether more waits to be read."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    before: Mapping[str, Alert]
    after: Mapping[str, Alert]
    notes: tuple[Note, ...]
    drafts: tuple[Draft, ...]
    read: tuple[int, ...]
    channels: tuple[Channel, ...]

    def nothing(self, now: float, policy: Policy) -> bool:
        """Return whether there is nothing to write."""
        names = frozenset(one.name for one in self.channels)
        same = all(alert is self.before.get(key) for key, alert in self.after.items())
        over = any(telling.settled(one, names, now, policy) for one in self.after.values())
        return same and not over and not self.drafts and not self.read


def decide(
    journal: Journal, said: Sequence[Event], now: float, policy: Policy, base: str = ""
) -> Turn:
    """Take in events and write what came of them; killed anywhere, all of it or nothing is done.

    Args:
        journal: Where all of it lies.
        said: What rules say; it is said again by the next turn, so it need not be durable.
        now: Seconds since 1970.
        policy: How patient to be.
        base: The address of the dashboard, for links; empty: not known.

    Raises:
        JournalError: The journal cannot be used; nothing was written.
    """
    with journal.read() as connection:  # mostly there is nothing to do, and no lock to take
        if _outcome(connection, said, now, policy).nothing(now, policy):
            return Turn(0, 0, again=False)
    with journal.write() as connection:
        store.lock(connection)
        found = _outcome(connection, said, now, policy)
        names = frozenset(one.name for one in found.channels)
        notes = [*found.notes, *_told_notes(found.drafts, now)]
        kept = store.save(
            connection, found.before, found.after, notes, channels=names, now=now, policy=policy
        )
        written = [_with_ids(draft, kept) for draft in found.drafts]
        outbox.write(connection, written, now, base, policy)
        store.drop_events(connection, found.read)
    return Turn(
        len(found.read) + len(said), len(found.drafts), again=len(found.read) == EVENTS_AT_ONCE
    )


def _outcome(connection: Connection, said: Sequence[Event], now: float, policy: Policy) -> _Outcome:
    waiting = store.waiting_events(connection, EVENTS_AT_ONCE)
    before = store.book(connection)
    if not before and not waiting and not said:
        return _Outcome({}, {}, (), (), (), ())
    silences = store.silences_in(connection, now)
    book = engine.apply(
        Book(before), (*(event for _, event in waiting), *said), silences, now, policy
    )
    channels = outbox.channels_of(connection)
    recent = outbox.recent(connection, now - pacing.LOOKED_BACK_S)
    drafts = telling.drafts(book.alerts.values(), channels, recent, now, policy)
    after = dict(book.alerts)
    for draft in drafts:
        for alert in draft.alerts:
            after[alert.key] = telling.told(after[alert.key], draft.channel, now, policy)
    return _Outcome(before, after, book.notes, drafts, tuple(i for i, _ in waiting), channels)


def _with_ids(draft: Draft, kept: Mapping[str, Alert]) -> Draft:
    alerts = tuple(kept[alert.key] for alert in draft.alerts)
    return Draft(draft.channel, draft.what, draft.critical, draft.group, alerts)


def _told_notes(drafts: Sequence[Draft], now: float) -> list[Note]:
    return [
        Note(alert.key, now, "told", f"{draft.what} → {draft.channel}")
        for draft in drafts
        for alert in draft.alerts
    ]
