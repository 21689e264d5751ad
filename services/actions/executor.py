"""Submitting and executing actions: journalled first, each step recorded, resumed after a crash."""

import json
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import psutil
from sqlalchemy import Row, select, update
from sqlalchemy.exc import IntegrityError

from services.access import store
from services.actions import audit, roles, schema
from services.actions.action import Action, Context, Deed, Step
from services.actions.catalog import dump, load
from services.actions.journal import now_ms
from services.actions.roles import Actor
from services.errors import EngineUnreachableError, MlopsError, NotFoundError

logger = logging.getLogger(__name__)

State = Literal["pending", "running", "done", "failed", "compensated", "denied"]
ENDED = frozenset({"done", "failed", "compensated", "denied"})
_SECRET_PARAMS = frozenset({"password_hash"})
_TRIES = 5


@dataclass(frozen=True, slots=True)
class StepRecord:
    """How far one step got."""

    name: str
    state: str
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
    hint: str
    result: str
    submitted_at: datetime
    finished_at: datetime | None
    steps: tuple[StepRecord, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


class Executor:
    """Submits actions, and executes what is pending; any number of processes may have one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._journal = context.journal
        self._me = _identity()

    # Submitting

    def submit(self, actor: Actor, action: Action, key: str) -> ActionRecord:
        """Check an action and write it into the journal; the same key gives the same action.

        Raises:
            DeniedError: Role or scope do not allow it (which is audited).
            InputError: It is malformed, or asks for what is not there.
            GateError: A promotion gate fails.
            ConflictError: The state does not allow it.
        """
        known = self._by_key(actor, key)
        if known is not None:
            return known
        self._permit(actor, action)
        action.check(self._context, actor)
        table = schema.actions
        try:
            with self._journal.write() as connection:
                made = connection.execute(
                    table.insert()
                    .values(
                        key=_key(actor, key),
                        kind=action.kind,
                        project=action.project,
                        title=action.title,
                        params=dump(action),
                        memory="{}",
                        actor=actor.name,
                        actor_kind=actor.kind,
                        actor_role=actor.role,
                        state="pending",
                        error="",
                        hint="",
                        result="",
                        submitted_ms=now_ms(),
                        attempts=0,
                    )
                    .returning(table.c.id)
                ).scalar_one()
                detail = {"action": made, "kind": action.kind, "params": _shown(dump(action))}
                audit.append(
                    connection,
                    actor.name,
                    f"{action.kind}.requested",
                    action.title,
                    project=action.project,
                    detail=detail,
                )
        except IntegrityError:
            known = self._by_key(actor, key)
            if known is None:
                raise
            return known
        return self.record(int(made))

    def _permit(self, actor: Actor, action: Action) -> None:
        reason = roles.reason_against(actor, action.role, action.project, action.title)
        if not reason:
            return
        with self._journal.write() as connection:
            audit.append(
                connection,
                actor.name,
                f"{action.kind}.denied",
                action.title,
                project=action.project,
                detail={"reason": reason},
            )
        roles.require(actor, action.role, action.project, action.title)

    def _by_key(self, actor: Actor, key: str) -> ActionRecord | None:
        table = schema.actions
        with self._journal.read() as connection:
            found = connection.execute(
                select(table.c.id).where(table.c.key == _key(actor, key))
            ).scalar()
        return None if found is None else self.record(found)

    # Executing

    def execute_pending(self) -> int:
        """Execute what is pending, and what a dead executor left; return how many ended."""
        table = schema.actions
        with self._journal.read() as connection:
            waiting = connection.execute(
                select(table.c.id, table.c.state, table.c.owner)
                .where(table.c.state.in_(("pending", "running")))
                .order_by(table.c.id)
            ).all()
        ended = 0
        for row in waiting:
            mine = row.state == "pending" or not _is_alive(row.owner)
            if mine and self._claim(row.id, row.owner):
                ended += self._execute(row.id)
        return ended

    def _claim(self, action_id: int, owner: str | None) -> bool:
        """Take an action; False when another executor was faster."""
        table = schema.actions
        same = table.c.owner.is_(None) if owner is None else table.c.owner == owner
        with self._journal.write() as connection:
            taken = connection.execute(
                update(table)
                .where(table.c.id == action_id, table.c.state.in_(("pending", "running")), same)
                .values(state="running", owner=self._me, attempts=table.c.attempts + 1)
            )
            return taken.rowcount == 1

    def _execute(self, action_id: int) -> int:
        row = self._row(action_id)
        action = load(row.kind, row.params)
        actor = self._actor_now(row)
        reason = roles.reason_against(actor, action.role, action.project, action.title)
        if reason:
            return self._end(row, "denied", error=reason)
        deed = Deed(action_id, actor, json.loads(row.memory))
        try:
            steps = action.steps(self._context, deed)
            self._remember(deed)
            said = [self._do(deed, number, step) for number, step in enumerate(steps)]
        except EngineUnreachableError as error:
            if row.attempts < _TRIES:
                return self._put_back(row, error)
            return self._undo(row, action, deed, error)
        except MlopsError as error:
            return self._undo(row, action, deed, error)
        return self._end(row, "done", result="; ".join(filter(None, said)))

    def _actor_now(self, row: Row) -> Actor:  # type: ignore[type-arg]  # of the actions table
        """Return who asked, with the role they have at this moment."""
        if row.actor_kind != "user":
            return Actor(row.actor, roles.role_of(row.actor_role), None, row.actor_kind)
        found = store.find(self._journal, row.actor)
        if found is None or found.disabled:
            return Actor(row.actor, "viewer", ())
        return Actor(found.name, found.role, found.projects)

    def _do(self, deed: Deed, number: int, step: Step) -> str:
        known = self._step(deed.id, number)
        if known is not None and known.state == "done":
            return str(known.detail)
        self._mark(deed, number, step.name, "started", "")
        said = step.do()
        self._mark(deed, number, step.name, "done", said)
        return said

    def _undo(
        self,
        row: Row,  # type: ignore[type-arg]  # of the actions table
        action: Action,
        deed: Deed,
        error: MlopsError,
    ) -> int:
        """Take back what was begun, last first: a step that failed may have done its work."""
        begun = self._steps(deed.id)
        if not begun:
            return self._end(row, "failed", error=error.message, hint=error.hint)
        steps = action.steps(self._context, deed)
        try:
            for number in range(len(begun) - 1, -1, -1):
                undo = steps[number].undo
                if undo is not None and begun[number].state != "undone":
                    undo()
                    self._mark(deed, number, steps[number].name, "undone", "taken back")
        except MlopsError as second:
            hint = f"Taking it back failed too: {second.message} {error.hint}".strip()
            return self._end(row, "failed", error=error.message, hint=hint)
        return self._end(row, "compensated", error=error.message, hint=error.hint)

    def _put_back(self, row: Row, error: MlopsError) -> int:  # type: ignore[type-arg]  # of actions
        """Leave it pending: the engine may be back at the next turn."""
        table = schema.actions
        values = {"state": "pending", "owner": None, "error": error.message, "hint": error.hint}
        with self._journal.write() as connection:
            connection.execute(update(table).where(table.c.id == row.id).values(**values))
        return 0

    def _end(
        self,
        row: Row,  # type: ignore[type-arg]  # of the actions table
        state: State,
        *,
        error: str = "",
        hint: str = "",
        result: str = "",
    ) -> int:
        table = schema.actions
        with self._journal.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == row.id)
                .values(state=state, error=error, hint=hint, result=result, finished_ms=now_ms())
            )
            audit.append(
                connection,
                row.actor,
                f"{row.kind}.{state}",
                row.title,
                project=row.project,
                detail={"action": row.id, "error": error, "result": result},
            )
        return 1

    # The journal's rows

    def _remember(self, deed: Deed) -> None:
        table = schema.actions
        with self._journal.write() as connection:
            connection.execute(
                update(table).where(table.c.id == deed.id).values(memory=json.dumps(deed.memory))
            )

    def _mark(self, deed: Deed, number: int, name: str, state: str, detail: str) -> None:
        """Record a step and what was learned, in one transaction."""
        table = schema.steps
        at = now_ms()
        where = (table.c.action_id == deed.id) & (table.c.number == number)
        with self._journal.write() as connection:
            if connection.execute(select(table.c.state).where(where)).first() is None:
                values = {"action_id": deed.id, "number": number, "name": name, "state": state}
                connection.execute(table.insert().values(**values, started_ms=at, detail=detail))
            else:
                ended = None if state == "started" else at
                values = {"state": state, "detail": detail, "finished_ms": ended}
                connection.execute(update(table).where(where).values(**values))
            connection.execute(
                update(schema.actions)
                .where(schema.actions.c.id == deed.id)
                .values(memory=json.dumps(deed.memory))
            )

    def _row(self, action_id: int) -> Row:  # type: ignore[type-arg]  # of the actions table
        with self._journal.read() as connection:
            table = schema.actions
            row = connection.execute(select(table).where(table.c.id == action_id)).first()
        if row is None:
            raise NotFoundError(f"There is no action {action_id}.")
        return row

    def _steps(self, action_id: int) -> Sequence[Row]:  # type: ignore[type-arg]  # of steps
        table = schema.steps
        with self._journal.read() as connection:
            return connection.execute(
                select(table).where(table.c.action_id == action_id).order_by(table.c.number)
            ).all()

    def _step(self, action_id: int, number: int) -> Row | None:  # type: ignore[type-arg]  # of steps
        return next((s for s in self._steps(action_id) if s.number == number), None)

    # Reading

    def record(self, action_id: int) -> ActionRecord:
        """Return an action and how far it got.

        Raises:
            NotFoundError: No such action.
        """
        return _record(self._row(action_id), self._steps(action_id))

    def wait(self, action_id: int, timeout_s: float = 30.0) -> ActionRecord:
        """Return the action when it ended, or as it is when the time is up."""
        end = time.monotonic() + timeout_s
        while True:
            found = self.record(action_id)
            if found.ended or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def history(
        self,
        *,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
        actor: str | None = None,
        states: Sequence[State] = (),
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
        if states:
            query = query.where(table.c.state.in_(states))
        if before is not None:
            query = query.where(table.c.id < before)
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return tuple(_record(row, self._steps(row.id)) for row in rows)


def _record(row: Row, steps: Sequence[Row]) -> ActionRecord:  # type: ignore[type-arg]  # of the journal
    return ActionRecord(
        id=row.id,
        kind=row.kind,
        project=row.project,
        title=row.title,
        params=_shown(row.params),
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
    )


def _shown(params: str) -> dict[str, object]:
    return {k: v for k, v in json.loads(params).items() if k not in _SECRET_PARAMS}


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _key(actor: Actor, key: str) -> str:
    return f"{actor.name}/{key}"[:120]


def _identity() -> str:
    """Return host, process and its start: a number alone may be another process tomorrow."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}:{os.getpid()}:{started:.2f}"


def _is_alive(owner: str | None) -> bool:
    if owner is None:
        return False
    host, pid, started = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True  # another machine's: it alone can tell
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 0.05
    except psutil.Error:
        return False
