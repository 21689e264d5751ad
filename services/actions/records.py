"""Actions as the journal knows them: one, or a page of them for people to look at."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Row, select

from services.actions import schema
from services.actions.journal import Journal
from services.errors import NotFoundError

State = Literal["pending", "running", "done", "failed", "compensated", "denied"]
ENDED = frozenset({"done", "failed", "compensated", "denied"})
_AT_ONCE = 500
_SECRET_PARAMS = frozenset({"password_hash", "token_hash"})


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How far one step got."""

    name: str
    state: str
    """``started``, ``done``, or ``undone``."""
    detail: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action as the journal knows it."""

    id: int
    kind: str
    project: str | None
    title: str
    params: dict[str, object]
    actor: str
    state: State
    error: str
    """Why it did not work, or why it waits to be tried again."""
    hint: str
    result: str
    submitted_at: datetime
    finished_at: datetime | None
    steps: tuple[StepRecord, ...]
    memory: Mapping[str, object] = field(default_factory=dict)
    """What its steps learned, e.g. which run was launched."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


def record(journal: Journal, action_id: int) -> ActionRecord:
    """Return an action and how far it got.

    Raises:
        NotFoundError: No such action.
    """
    table = schema.actions
    with journal.read() as connection:
        row = connection.execute(select(table).where(table.c.id == action_id)).first()
    if row is None:
        raise NotFoundError(f"There is no action {action_id}.")
    return _record(row, steps_of(journal, (action_id,)).get(action_id, []))


def several(journal: Journal, ids: Collection[int]) -> tuple[ActionRecord, ...]:
    """Return actions by their numbers, oldest first; one that is not there is left out."""
    table, found = schema.actions, []
    wanted = sorted(ids)
    for begin in range(0, len(wanted), _AT_ONCE):
        part = wanted[begin : begin + _AT_ONCE]
        with journal.read() as connection:
            query = select(table).where(table.c.id.in_(part)).order_by(table.c.id)
            rows = connection.execute(query).all()
        steps = steps_of(journal, part)
        found += [_record(row, steps.get(row.id, [])) for row in rows]
    return tuple(found)


def history(
    journal: Journal,
    *,
    project: str | None = None,
    projects: tuple[str, ...] | None = None,
    actor: str | None = None,
    kinds: Sequence[str] = (),
    states: Sequence[State] = (),
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[ActionRecord, ...]:
    """Return actions, newest first; ``before`` pages on by id."""
    table = schema.actions
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if project is not None:
        query = query.where(table.c.project == project)
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    if actor:
        query = query.where(table.c.actor == actor)
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if states:
        query = query.where(table.c.state.in_(states))
    if since is not None:
        query = query.where(table.c.submitted_ms >= since.timestamp() * 1000)
    if before is not None:
        query = query.where(table.c.id < before)
    with journal.read() as connection:
        rows = connection.execute(query).all()
    steps = steps_of(journal, [row.id for row in rows])
    return tuple(_record(row, steps.get(row.id, [])) for row in rows)


def steps_of(journal: Journal, action_ids: Sequence[int]) -> dict[int, list[Row]]:  # type: ignore[type-arg]  # of the steps table
    """Return the steps begun of each action, in order."""
    table = schema.steps
    query = select(table).where(table.c.action_id.in_(action_ids)).order_by(table.c.number)
    found: dict[int, list[Row]] = defaultdict(list)  # type: ignore[type-arg]  # of the steps table
    with journal.read() as connection:
        for row in connection.execute(query):
            found[row.action_id].append(row)
    return dict(found)


def shown(params: str) -> dict[str, object]:
    """Return journalled parameters without what nobody may read."""
    return {k: v for k, v in json.loads(params).items() if k not in _SECRET_PARAMS}


def _record(row: Row, steps: Sequence[Row]) -> ActionRecord:  # type: ignore[type-arg]  # of the journal
    return ActionRecord(
        id=row.id,
        kind=row.kind,
        project=row.project,
        title=row.title,
        params=shown(row.params),
        actor=row.actor,
        state=row.state,
        error=row.error,
        hint=row.hint,
        result=row.result,
        submitted_at=_moment(row.submitted_ms),
        finished_at=None if row.finished_ms is None else _moment(row.finished_ms),
        steps=tuple(
            StepRecord(
                step.name,
                step.state,
                step.detail,
                _moment(step.started_ms),
                None if step.finished_ms is None else _moment(step.finished_ms),
            )
            for step in steps
        ),
        memory=json.loads(row.memory),
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
