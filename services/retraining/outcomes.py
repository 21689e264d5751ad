"""What alerts led to: retrainings that answer them, and what was done about them.

For a page of alerts as for one: a handful of queries, however many alerts there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, or_, select

from services.actions import records, schema
from services.actions.journal import Journal
from services.actions.records import ActionRecord
from services.alerting.models import Alert
from services.retraining import store
from services.retraining.models import Proposal

_ACTIONS = schema.actions
_DEEDS = 50
"""The newest actions of an alert that are told."""
OWN = frozenset({"alert-ack", "alert-release", "alert-close"})
"""Actions that the alert's own lines tell: who looks after it, how it ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an alert led to."""

    retrainings: tuple[Proposal, ...] = ()
    """Those that answer it, and the one that it is about; the newest first."""
    deeds: tuple[ActionRecord, ...] = ()
    """Actions on it, under its thread, and of its retrainings; the oldest first."""

    @property
    def others(self) -> tuple[ActionRecord, ...]:
        """Return the actions without those that the alert itself tells when they are done."""
        return tuple(one for one in self.deeds if one.kind not in OWN or one.state != "done")


def of_alerts(journal: Journal, alerts: Sequence[Alert]) -> Mapping[int, Outcome]:
    """Return what each of some alerts led to, by its id.

    Raises:
        JournalError: The journal cannot be read.
    """
    answers = _answers(journal, alerts)
    names = _names(alerts, answers)
    found = _found(journal, names, alerts) if alerts else ()
    known = {one.id: one for one in records.several(journal, {row.id for row in found})}
    deeds: dict[int, dict[int, ActionRecord]] = defaultdict(dict)
    for row in found:
        for alert in _alerts_of(row, names, alerts):
            if row.id in known:
                deeds[alert][row.id] = known[row.id]
    return {
        one.id: Outcome(
            tuple(answers.get(one.id, ())),
            tuple(deeds[one.id][number] for number in sorted(deeds[one.id])[-_DEEDS:]),
        )
        for one in alerts
    }


def _answers(journal: Journal, alerts: Sequence[Alert]) -> Mapping[int, Sequence[Proposal]]:
    """Return the retrainings by alert; an alert about a retraining led to what became of that."""
    about = {
        one.id: int(said)
        for one in alerts
        if (said := one.labels.get("retraining", "")).isdecimal() and len(said) < 18
    }
    found = dict(store.of_alerts(journal, [one.id for one in alerts]))
    of = {one.id: one for one in store.several(journal, set(about.values()))}
    for alert, number in about.items():
        if number in of:
            found[alert] = (of[number],)
    return found


Name = int | str
"""Of an action: its number, or its subject."""


def _names(
    alerts: Sequence[Alert], answers: Mapping[int, Sequence[Proposal]]
) -> Mapping[Name, frozenset[int]]:
    """Return alerts by the numbers and subjects of the actions that are theirs."""
    found: dict[Name, set[int]] = defaultdict(set)
    for one in alerts:
        found[f"alert:{one.id}"].add(one.id)
        for answer in answers.get(one.id, ()):
            named: tuple[Name, ...] = (f"retraining:{answer.id}", *_asked(answer))
            for name in named:
                found[name].add(one.id)
    return {name: frozenset(ids) for name, ids in found.items()}


def _asked(one: Proposal) -> Iterator[int]:
    for number in (one.collect, one.launch, one.cancel, one.deploy, one.steer, one.alias):
        if number is not None:
            yield number


def _found(journal: Journal, names: Iterable[Name], alerts: Sequence[Alert]) -> Sequence[Row]:  # type: ignore[type-arg]  # of the actions table
    of = _ACTIONS.c
    given = tuple(names)
    numbers = [name for name in given if isinstance(name, int)]
    subjects = [name for name in given if isinstance(name, str)]
    mine: list[ColumnElement[bool]] = [of.subject.in_(subjects)]
    threads = {one.thread for one in alerts}
    mine += [of.params.contains(one, autoescape=True) for one in sorted(threads)]
    since = of.submitted_ms >= min(one.since for one in alerts) * 1000
    query = select(of.id, of.subject, of.params, of.project)
    query = query.where(or_(of.id.in_(numbers), since & or_(*mine)))
    with journal.read() as connection:
        return connection.execute(query).all()


def _alerts_of(
    row: Row,  # type: ignore[type-arg]  # of the actions table
    names: Mapping[Name, frozenset[int]],
    alerts: Sequence[Alert],
) -> Iterator[int]:
    yield from names.get(row.id, ())
    yield from names.get(row.subject, ())
    for one in alerts:
        # Of another project it is no business of who sees this one.
        if one.thread in row.params and row.project in {None, one.project}:
            yield one.id
