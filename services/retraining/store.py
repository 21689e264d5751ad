"""Retrainings in the journal: each change and the line that tells of it are written together."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from services import postgres
from services.actions import audit, database
from services.actions import retraining_tables as tables
from services.actions.journal import Journal
from services.alerting.models import rank
from services.errors import NotFoundError
from services.retraining.models import (
    BY_POLICY,
    Evidence,
    Happened,
    Policy,
    Proposal,
    State,
    policy_of,
)

Changed = tuple[Proposal, Sequence[Happened]]
How = Callable[[Proposal], Changed]
Also = Callable[[Connection, Proposal], None]
_TABLE, _ALERTS = tables.retrainings, tables.retraining_alerts
_EVENTS, _POLICIES = tables.retraining_events, tables.retraining_policies
_AT_ONCE = 500
_DECIDED = frozenset({"accepted", "refused"})
"""What a policy decides is in the audit, as what people decide is."""


def put(journal: Journal, draft: Proposal) -> Proposal:
    """Keep a proposal. One of the model that has not ended takes its reasons instead: they merge.

    One that waits for a decision takes its figures, too: they are newer.
    A person's reason that is handed over again changes nothing, also when what it led to has ended.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _TABLE.name)
        newest = (
            select(_TABLE)
            .where(_TABLE.c.project == draft.project, _TABLE.c.model == draft.model)
            .order_by(_TABLE.c.id.desc())
            .limit(1)
        )
        row = connection.execute(newest).first()
        before = None if row is None else _proposal(row)
        if before is not None and (not before.ended or _told(before, draft.evidence)):
            return _merged(connection, before, draft)
        made = connection.execute(insert(_TABLE).values(**_values(draft)))
        number = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
        kept = replace(draft, id=number)
        _tie(connection, kept)
        first = Happened(
            kept.created_at, "proposed", kept.why, kept.requested_by, link=_link_of(kept.evidence)
        )
        _write(connection, number, (first,))
    return kept


def _told(before: Proposal, evidence: Sequence[Evidence]) -> bool:
    return all(one.alert is None and one in before.evidence for one in evidence)


def _merged(connection: Connection, before: Proposal, draft: Proposal) -> Proposal:
    fresh = [one for one in draft.evidence if one not in before.evidence]
    if not fresh:
        return before
    renewed = {one.alert for one in fresh if one.alert is not None}
    kept = [one for one in before.evidence if one.alert is None or one.alert not in renewed]
    after = replace(before, evidence=(*kept, *fresh))
    if after.state == "open":
        after = after.with_figures(draft.figures)
    _save(connection, after)
    _tie(connection, after)
    at = draft.created_at  # when it was taken up: a reason may be older than the proposal
    lines = [Happened(at, "merged", one.said, draft.requested_by, link=_link_of((one,)))
             for one in fresh]  # fmt: skip
    _write(connection, before.id, lines)
    return after


def change(journal: Journal, number: int, how: How, also: Also | None = None) -> Proposal:
    """Change a proposal; ``how`` gets it as it is now and returns it with the lines to be told.

    Args:
        journal: Where it lies.
        number: Of the proposal.
        how: Changes it.
        also: Writes what belongs to a change of its state, in the same transaction.

    Raises:
        NotFoundError: There is none of this id.
        MlopsError: What ``how`` raises; nothing was written then.
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _TABLE.name)
        before = _one(connection, number)
        after, happened = how(before)
        if after != before:
            _save(connection, after)
        if also is not None and after.state != before.state:
            also(connection, after)
        _write(connection, number, happened)
        for one in happened:
            if one.what in _DECIDED and one.actor == BY_POLICY:
                detail: dict[str, object] = {
                    **one.numbers, "retraining": number, "said": one.said,
                }  # fmt: skip
                what = f"retrain.{one.what}"
                audit.append(
                    connection, one.actor, what, after.name, project=after.project, detail=detail
                )
    return after


def proposal(journal: Journal, number: int) -> Proposal:
    """Return one proposal.

    Raises:
        NotFoundError: There is none of this id.
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        return _one(connection, number)


def proposals(
    journal: Journal,
    states: Sequence[State] = (),
    *,
    projects: Sequence[str] | None = None,
    model: str | None = None,
    since: float | None = None,
    before: int | None = None,
    limit: int = 200,
) -> tuple[Proposal, ...]:
    """Return proposals, newest first.

    Args:
        journal: Where they lie.
        states: In these states alone; () is all.
        projects: Of these alone; None: of all.
        model: Of this model of them alone.
        since: Those alone that had not ended by then.
        before: Those alone that are older than the one of this number.
        limit: The most of them.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_TABLE).order_by(_TABLE.c.id.desc()).limit(limit)
    if states:
        query = query.where(_TABLE.c.state.in_(states))
    if projects is not None:
        query = query.where(_TABLE.c.project.in_(projects))
    if model is not None:
        query = query.where(_TABLE.c.model == model)
    if since is not None:
        query = query.where(_TABLE.c.ended_ms.is_(None) | (_TABLE.c.ended_ms >= _ms(since)))
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    with journal.read() as connection:
        return tuple(_proposal(row) for row in connection.execute(query))


def newest(journal: Journal) -> tuple[Proposal, ...]:
    """Return of each model the newest proposal: another one is made only after it has ended.

    Raises:
        JournalError: The journal cannot be read.
    """
    last = select(func.max(_TABLE.c.id)).group_by(_TABLE.c.project, _TABLE.c.model)
    with journal.read() as connection:
        rows = connection.execute(select(_TABLE).where(_TABLE.c.id.in_(last)))
        return tuple(_proposal(row) for row in rows)


def of_alert(journal: Journal, alert_id: int, limit: int = 50) -> tuple[Proposal, ...]:
    """Return the proposals that answer an alert, newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = (
        select(_TABLE)
        .join(_ALERTS, _ALERTS.c.retraining_id == _TABLE.c.id)
        .where(_ALERTS.c.alert_id == alert_id)
        .order_by(_TABLE.c.id.desc())
        .limit(limit)
    )
    with journal.read() as connection:
        return tuple(_proposal(row) for row in connection.execute(query))


def of_alerts(journal: Journal, ids: Sequence[int]) -> Mapping[int, tuple[Proposal, ...]]:
    """Return by alert the proposals that answer it, newest first; without one it is left out.

    Raises:
        JournalError: The journal cannot be read.
    """
    found: dict[int, list[Proposal]] = defaultdict(list)
    with journal.read() as connection:
        for begin in range(0, len(ids), _AT_ONCE):
            query = (
                select(_TABLE, _ALERTS.c.alert_id)
                .join(_ALERTS, _ALERTS.c.retraining_id == _TABLE.c.id)
                .where(_ALERTS.c.alert_id.in_(ids[begin : begin + _AT_ONCE]))
                .order_by(_TABLE.c.id.desc())
            )
            for row in connection.execute(query):
                found[row.alert_id].append(_proposal(row))
    return {name: tuple(each) for name, each in found.items()}


def several(journal: Journal, ids: Collection[int]) -> tuple[Proposal, ...]:
    """Return proposals by their numbers; one that is not there is left out.

    Raises:
        JournalError: The journal cannot be read.
    """
    wanted, found = sorted(ids), []
    for begin in range(0, len(wanted), _AT_ONCE):
        query = select(_TABLE).where(_TABLE.c.id.in_(wanted[begin : begin + _AT_ONCE]))
        with journal.read() as connection:
            found += [_proposal(row) for row in connection.execute(query)]
    return tuple(found)


def of_workflow(journal: Journal, dag_id: str, run_id: str) -> Proposal | None:
    """Return the proposal that a workflow's run carries out, None when there is none.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_TABLE).where(_TABLE.c.workflow == f"{dag_id}/{run_id}").limit(1)
    with journal.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else _proposal(row)


def happened(journal: Journal, number: int) -> tuple[Happened, ...]:
    """Return what happened to a proposal, oldest first, without what became of its alerts.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_EVENTS).where(_EVENTS.c.retraining_id == number).order_by(_EVENTS.c.id)
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return tuple(_happened(row) for row in rows)


# Policies


def policy(journal: Journal, project: str) -> Policy:
    """Return what a project allows; the default where nothing was set.

    Raises:
        JournalError: The journal cannot be read.
    """
    return policies(journal).get(project, Policy())


def policies(journal: Journal) -> Mapping[str, Policy]:
    """Return what projects allow, of those that set it.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        rows = connection.execute(select(_POLICIES)).all()
    return {row.project: policy_of(json.loads(row.body)) for row in rows}


def set_policy(journal: Journal, project: str, wanted: Policy | None, by: str, at: float) -> None:
    """Keep what a project allows; None: the default again.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _POLICIES.name)
        connection.execute(delete(_POLICIES).where(_POLICIES.c.project == project))
        if wanted is not None:
            body = {name: getattr(wanted, name) for name in Policy.__dataclass_fields__}
            row = {"project": project, "body": json.dumps(body), "changed_ms": _ms(at), "by": by}
            connection.execute(insert(_POLICIES).values(**row))


# Rows


def _one(connection: Connection, number: int) -> Proposal:
    row = connection.execute(select(_TABLE).where(_TABLE.c.id == number)).first()
    if row is None:
        raise NotFoundError(f"There is no retraining {number}.", "`mlops retrain list`")
    return _proposal(row)


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal.from_json(row.id, json.loads(row.body))


def _save(connection: Connection, after: Proposal) -> None:
    mine = _TABLE.c.id == after.id
    connection.execute(update(_TABLE).where(mine).values(**_values(after)))


def _values(one: Proposal) -> dict[str, Any]:
    return {
        "project": one.project,
        "model": one.model,
        "open_name": None if one.ended else one.name,
        "state": one.state,
        "thread": one.thread,
        "workflow": "/".join(one.workflow) if one.workflow else None,
        "created_ms": _ms(one.created_at),
        "decided_ms": None if one.decided_at is None else _ms(one.decided_at),
        "ended_ms": None if one.ended_at is None else _ms(one.ended_at),
        "body": json.dumps(one.as_json()),
    }


def _tie(connection: Connection, one: Proposal) -> None:
    """Note which alerts it answers."""
    known = select(_ALERTS.c.alert_id).where(_ALERTS.c.retraining_id == one.id)
    there = set(connection.execute(known).scalars())
    rows = [{"alert_id": name, "retraining_id": one.id} for name in set(one.alerts) - there]
    if rows:
        connection.execute(insert(_ALERTS), rows)


def _write(connection: Connection, number: int, lines: Sequence[Happened]) -> None:
    rows = [
        {
            "retraining_id": number, "at_ms": _ms(one.at), "what": one.what,
            "said": postgres.storable(one.said), "actor": one.actor,
            "body": json.dumps({"numbers": dict(one.numbers), "link": one.link}),
        }
        for one in lines
    ]  # fmt: skip
    if rows:
        connection.execute(insert(_EVENTS), rows)


def _happened(row: Row[Any]) -> Happened:
    body = json.loads(row.body)
    return Happened(row.at_ms / 1000, row.what, row.said, row.actor, body["numbers"], body["link"])


def _link_of(evidence: Sequence[Evidence]) -> str:
    alert = next((one.alert for one in evidence if one.alert is not None), None)
    return "" if alert is None else f"/alerts?alert={alert}"


def worse(evidence: Evidence, before: Sequence[Evidence]) -> bool:
    """Return whether an alert is news: not known yet, or more severe than it was."""
    known = [one for one in before if one.alert == evidence.alert]
    return all(rank(evidence.severity) > rank(one.severity) for one in known)


def _ms(at: float) -> int:
    return round(at * 1000)
