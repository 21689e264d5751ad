"""What people ask of alerts: those that need somebody, and those of a time.

In a storm thousands are open, and a page shows twenty. So the order of all is decided from a few
columns (``places``), and the rest is read of those that are shown (``by_id``).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import outbox, store
from services.alerting.models import Alert, Message, Severity, State, kind_of, rank

_ALERTS, _MESSAGES = schema.alerts, schema.alert_messages
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """What decides where an alert stands in a list, and which lists it is in."""

    id: int
    key: str
    state: State
    severity: Severity
    project: str | None
    since: float
    """Seconds since 1970."""

    @property
    def kind(self) -> str:
        """Return the first word of the key."""
        return kind_of(self.key)


def places(
    journal: Journal, projects: Sequence[str] | None = None, *, words: str = ""
) -> tuple[Place, ...]:
    """Return where each alert stands that has not ended, in no order.

    Args:
        journal: Where they lie.
        projects: Of these alone; None: of all, and of the platform itself.
        words: Only alerts that hold this text, in whatever they say.

    Raises:
        JournalError: The journal cannot be read.
    """
    of = _ALERTS.c
    query = select(of.id, of.key, of.state, of.severity, of.project, of.since_ms).where(
        of.open_key.is_not(None), *_where(projects, words)
    )
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        Place(number, key, state, severity, project, since / 1000)
        for number, key, state, severity, project, since in rows
    )


def by_id(journal: Journal, ids: Sequence[int]) -> dict[int, Alert]:
    """Return alerts by id; one that is not there any more is left out.

    Raises:
        JournalError: The journal cannot be read.
    """
    found: dict[int, Alert] = {}
    with journal.read() as connection:
        for begin in range(0, len(ids), _AT_ONCE):
            query = select(_ALERTS).where(_ALERTS.c.id.in_(ids[begin : begin + _AT_ONCE]))
            found |= {row.id: store.alert_of(row) for row in connection.execute(query)}
    return found


def by_key(journal: Journal, keys: Iterable[str]) -> dict[str, Alert]:
    """Return the open alerts of some keys.

    Raises:
        JournalError: The journal cannot be read.
    """
    wanted = list(dict.fromkeys(keys))
    found: dict[str, Alert] = {}
    with journal.read() as connection:
        for begin in range(0, len(wanted), _AT_ONCE):
            part = wanted[begin : begin + _AT_ONCE]
            query = select(_ALERTS).where(_ALERTS.c.open_key.in_(part))
            found |= {row.key: store.alert_of(row) for row in connection.execute(query)}
    return found


def of_endpoint(
    journal: Journal, project: str, name: str, *, limit: int
) -> tuple[tuple[Alert, ...], int]:
    """Return the newest alerts of an endpoint that have not ended, and how many there are.

    Args:
        journal: Where they lie.
        project: Whose endpoint it is.
        name: As ``PROJECT.MODEL``.
        limit: The most that are returned; all are counted.

    Raises:
        JournalError: The journal cannot be read.
    """
    # A label as JSON writes it: in a text of the alert its quotes would be escaped. SQLite's LIKE
    # takes capitals for small letters, replace does not.
    label = json.dumps({"endpoint": name})[1:-1]
    of = _ALERTS.c
    mine = (
        of.open_key.is_not(None),
        of.project == project,
        func.replace(of.body, label, "") != of.body,
    )
    newest = select(_ALERTS).where(*mine).order_by(of.id.desc()).limit(limit)
    with journal.read() as connection:
        found = tuple(store.alert_of(row) for row in connection.execute(newest))
        count = select(func.count()).select_from(_ALERTS).where(*mine)
        return found, int(connection.execute(count).scalar_one())


@dataclass(frozen=True, slots=True)
class Count:
    """How many alerts of an endpoint have not ended."""

    count: int
    severity: Severity | None
    """The worst of those that fire or are looked after; None: all are kept quiet, or nobody can
    tell of them."""


def of_endpoints(journal: Journal) -> dict[tuple[str, str], Count]:
    """Return by project and endpoint (``PROJECT.MODEL``) how many alerts have not ended.

    Raises:
        JournalError: The journal cannot be read.
    """
    # Few of a storm are of endpoints, so their texts are read here: JSON in SQL is another in each
    # database, and on Postgres one character in any text of an alert can make it refuse them all.
    of = _ALERTS.c
    query = select(of.project, of.state, of.severity, of.body).where(
        of.open_key.is_not(None), of.project.is_not(None), of.body.contains('"endpoint": "')
    )
    with journal.read() as connection:
        rows = connection.execute(query).all()
    found: dict[tuple[str, str], Count] = {}
    for project, state, severity, body in rows:
        name = json.loads(body)["labels"].get("endpoint")
        if name is not None:
            before = found.get((project, name), Count(0, None))
            loud = [severity] if state in ("firing", "acknowledged") else []
            if before.severity is not None:
                loud.append(before.severity)
            worst = max(loud, key=rank, default=None)
            found[project, name] = Count(before.count + 1, worst)
    return found


def lasting(
    journal: Journal,
    projects: Sequence[str] | None,
    since: float,
    until: float,
    *,
    words: str = "",
    limit: int = 300,
) -> tuple[Alert, ...]:
    """Return the alerts that lasted within a time, the newest first.

    Args:
        journal: Where they lie.
        projects: As for ``places``.
        since: Seconds since 1970: those that ended before are left out,
        until: and those that began later.
        words: As for ``places``.
        limit: The most of them.

    Raises:
        JournalError: The journal cannot be read.
    """
    of = _ALERTS.c
    within = (
        of.since_ms <= until * 1000,
        or_(of.resolved_ms.is_(None), of.resolved_ms >= since * 1000),
    )
    query = select(_ALERTS).where(*within, *_where(projects, words))
    return _read(journal, query.order_by(of.since_ms.desc(), of.id.desc()).limit(limit))


def history(
    journal: Journal,
    projects: Sequence[str] | None = None,
    *,
    words: str = "",
    since: float = 0.0,
    before: int | None = None,
    limit: int = 50,
    severities: Sequence[Severity] = (),
    kinds: Sequence[str] = (),
    states: Sequence[State] = (),
    ended: bool = True,
) -> tuple[Alert, ...]:
    """Return alerts, the newest first.

    Args:
        journal: Where they lie.
        projects: As for ``places``.
        words: As for ``places``.
        since: Seconds since 1970: those that began before are left out.
        before: Only those older than the alert of this id: the next page.
        limit: The most of them.
        severities: Of these alone; () is all.
        kinds: The same.
        states: The same.
        ended: Those that ended, too.

    Raises:
        JournalError: The journal cannot be read.
    """
    of = _ALERTS.c
    query = select(_ALERTS).where(*_where(projects, words), of.since_ms >= since * 1000)
    if severities:
        query = query.where(of.severity.in_(severities))
    if kinds:
        query = query.where(or_(*(of.key.startswith(f"{one}/", autoescape=True) for one in kinds)))
    if states:
        query = query.where(of.state.in_(states))
    if not ended:
        query = query.where(of.open_key.is_not(None))
    if before is not None:
        query = query.where(_ALERTS.c.id < before)
    return _read(journal, query.order_by(_ALERTS.c.id.desc()).limit(limit))


def _read(journal: Journal, query: Select[Any]) -> tuple[Alert, ...]:
    with journal.read() as connection:
        return tuple(store.alert_of(row) for row in connection.execute(query))


def _where(projects: Sequence[str] | None, words: str) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if projects is not None:
        found.append(_ALERTS.c.project.in_(projects))
    if words:
        # As JSON writes it. All that an alert says is in there: key, title, cause, evidence.
        written = json.dumps(words)[1:-1]
        found.append(_ALERTS.c.body.icontains(written, autoescape=True))
    return found


def last_messages(journal: Journal) -> dict[str, Message]:
    """Return by channel the newest message that arrived, or did not.

    Raises:
        JournalError: The journal cannot be read.
    """
    ended = _MESSAGES.c.state.in_(("sent", "failed")) | (_MESSAGES.c.error != "")
    newest = select(func.max(_MESSAGES.c.id)).where(ended).group_by(_MESSAGES.c.channel)
    query = select(_MESSAGES).where(_MESSAGES.c.id.in_(newest))
    with journal.read() as connection:
        found = [outbox.message_of(row) for row in connection.execute(query)]
    return {one.channel: one for one in found}


def waiting(journal: Journal) -> dict[str, int]:
    """Return by channel how many messages wait to be sent.

    Raises:
        JournalError: The journal cannot be read.
    """
    of = _MESSAGES.c
    query = select(of.channel, func.count()).where(of.state.in_(("waiting", "sending")))
    with journal.read() as connection:
        return {
            name: int(number) for name, number in connection.execute(query.group_by(of.channel))
        }
