"""Submitting and executing actions: journalled first, each step recorded, resumed after a crash.

An action goes forward until it is done. When a step is refused, or its engine stays away for about
a minute, it turns and takes back what was begun, last step first; that too is tried until the
engine is there again. A crash at any point leaves a claim of a dead process: the next executor goes
on from the last step written down, and asks the engine what of the step under way was done.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from services.access import store
from services.actions import records, roles, schema, submitting
from services.actions.action import (
    Action,
    Context,
    Deed,
    Lane,
    NotYetError,
    Pinned,
    Step,
    Told,
    needed_role,
)
from services.actions.catalog import dump, lane_of, load
from services.actions.claims import Claim, Claims, LostClaimError
from services.actions.journal import now_ms
from services.actions.records import ENDED, ActionRecord, State, StepRecord
from services.actions.roles import Actor
from services.errors import (
    ConflictError,
    EngineUnreachableError,
    InputError,
    JournalError,
    MlopsError,
)

__all__ = ["ENDED", "ActionRecord", "Executor", "State", "StepRecord"]

logger = logging.getLogger(__name__)

_TRIES = 8
"""Forward, then it is taken back: with the pauses about a minute for an engine to return."""
_TRIES_BACK = 40
_LONGEST_PAUSE_MS = 15_000
_LONGEST_PAUSE_BACK_MS = 60_000
_KEY_LIMIT = 500


class Executor:
    """Submits actions, and executes what is pending; any number of processes may have one."""

    def __init__(
        self,
        context: Context,
        now: Callable[[], int] = now_ms,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._journal = context.journal
        self._now = now
        self._claims = Claims(context.journal, now, elapsed)

    # Submitting

    def submit(self, actor: Actor, action: Action, key: str) -> ActionRecord:
        """Check an action and write it into the journal; the same key gives the same action.

        Raises:
            DeniedError: Role or scope do not allow it (which is audited).
            InputError: It is malformed, or asks for what is not there.
            GateError: A promotion gate fails.
            ConflictError: The state does not allow it, or the key was used for something else.
            JournalError: It could not be written down, so it will not be done.
        """
        if not 0 < len(key) <= _KEY_LIMIT:
            raise InputError(f"A key has 1 to {_KEY_LIMIT} characters.")
        sealed = submitting.seal(actor, key)
        known = self._by_key(sealed, action)
        if known is not None:
            return known
        submitting.check_text(dump(action))
        submitting.permit(self._journal, actor, action)
        action.check(self._context, actor)
        if isinstance(action, Pinned):
            action = action.pinned(self._context)
        try:
            number = submitting.write_down(self._journal, actor, action, sealed, self._now())
            return records.record(self._journal, number)
        except (IntegrityError, JournalError):
            # The same click from another process; or an error that came after it was written.
            known = self._by_key(sealed, action)
            if known is None:
                raise
            return known

    def submitted(self, actor: Actor, key: str) -> ActionRecord | None:
        """Return the action that an actor submitted with a key, None when there is none.

        Raises:
            JournalError: The journal cannot be read.
        """
        return self._of_key(submitting.seal(actor, key))

    def _of_key(self, sealed: str) -> ActionRecord | None:
        table = schema.actions
        with self._journal.read() as connection:
            query = select(table.c.id).where(table.c.key == sealed)
            found = connection.execute(query).scalar()
        return None if found is None else records.record(self._journal, found)

    def _by_key(self, sealed: str, action: Action) -> ActionRecord | None:
        known = self._of_key(sealed)
        if known is None:
            return None
        if (known.kind, known.project) != (action.kind, action.project):
            raise ConflictError(
                f"This key was used for something else: {known.title}.", "Use a new key."
            )
        return known

    # Executing

    def execute_pending(
        self, limit: int | None = None, only: int | None = None, *, lane: Lane | None = None
    ) -> int:
        """Execute what is pending, and what a dead executor left; return how many ended.

        ``only`` is the one action to execute, if it can be now; ``lane`` says which are meant; None
        is all.

        Raises:
            JournalError: How far it got could not be written; it goes on when it can be.
        """
        total = 0
        while limit is None or total < limit:
            ended = self._turn_over(None if limit is None else limit - total, only, lane)
            total += ended
            if not ended:  # what ended may have kept others of its subject waiting
                break
        return total

    def _turn_over(self, limit: int | None, only: int | None, lane: Lane | None) -> int:
        ended = 0
        for row in self._claims.waiting():
            if only is not None and row.id != only:
                continue
            if lane is not None and lane_of(row.kind) != lane:
                continue
            if limit is not None and ended >= limit:
                break
            claim = self._claims.take(row.id)
            if claim is not None:
                ended += self._execute(claim)
        return ended

    def _execute(self, claim: Claim) -> int:
        with self._claims.holding(claim):
            try:
                return self._go(claim)
            except LostClaimError as error:
                logger.warning("%s", error)
                return 0
            except JournalError:
                raise
            except Exception as error:
                # A defect of ours. It is told to whoever asked, taken back, and raised for the log.
                self._give_up(claim, error)
                raise

    def _go(self, claim: Claim) -> int:
        try:
            action = load(claim.row.kind, claim.row.params)
        except InputError as error:
            return self._end(claim, "failed", error)
        deed = Deed(claim.row.id, self._actor_now(claim.row), json.loads(claim.row.memory))
        if claim.row.ending:
            why = MlopsError(claim.row.error, claim.row.hint)
            return self._take_back(claim, action, deed, claim.row.ending, why)
        needed = needed_role(action)
        reason = roles.reason_against(deed.actor, needed, action.project, action.title)
        if reason:
            return self._turn(claim, action, deed, "denied", MlopsError(reason))
        if claim.tries > _TRIES:  # it ended its executor each time
            why = MlopsError(f"Its executor ended {_TRIES} times before it was done.")
            return self._turn(claim, action, deed, "compensated", why)
        return self._forward(claim, action, deed)

    def _forward(self, claim: Claim, action: Action, deed: Deed) -> int:
        try:
            steps = action.steps(self._context, deed)
            self._claims.remember(claim, deed.memory)
            said = [self._do(claim, deed, number, step) for number, step in enumerate(steps)]
        except (LostClaimError, JournalError):
            raise
        except NotYetError as later:
            self._claims.put_back(claim, later, int(later.pause_s * 1000), tries=0)
            return 0
        except EngineUnreachableError as error:
            if claim.tries < _TRIES:
                pause = min(_LONGEST_PAUSE_MS, 1_000 * 2 ** (claim.tries - 1))
                self._claims.put_back(claim, error, pause)
                return 0
            return self._turn(claim, action, deed, "compensated", error)
        except MlopsError as error:
            return self._turn(claim, action, deed, "compensated", error)
        if isinstance(action, Told):
            result = action.outcome(self._context, deed, said)
        else:
            result = "; ".join(filter(None, said))
        self._claims.end(claim, "done", result=result)
        return 1

    def _actor_now(self, row: Row) -> Actor:  # type: ignore[type-arg]  # of the actions table
        """Return who asked, with the role they have at this moment."""
        if row.actor_kind != "user":
            projects = None if row.actor_projects is None else tuple(json.loads(row.actor_projects))
            return Actor(row.actor, roles.role_of(row.actor_role), projects, row.actor_kind)
        found = store.find(self._journal, row.actor)
        if found is None or found.disabled:
            return Actor(row.actor, "viewer", ())
        return Actor(found.name, found.role, found.projects)

    def _do(self, claim: Claim, deed: Deed, number: int, step: Step) -> str:
        known = self._begun(deed.id, number)
        if known is not None and known.state == "done":
            return str(known.detail)
        so_far = str(known.detail) if known is not None else ""
        if not so_far:  # one that is asked again was begun, and is looked at twice a second
            self._claims.mark(claim, number, step.name, "started", "", deed.memory)
        try:
            said = step.do()
        except NotYetError as later:
            if later.message != so_far:
                self._claims.mark(claim, number, step.name, "started", later.message, deed.memory)
            raise
        self._claims.mark(claim, number, step.name, "done", said, deed.memory)
        return said

    def _begun(self, action_id: int, number: int) -> Row | None:  # type: ignore[type-arg]  # of steps
        return next((s for s in self._all_begun(action_id) if s.number == number), None)

    def _all_begun(self, action_id: int) -> Sequence[Row]:  # type: ignore[type-arg]  # of steps
        return records.steps_of(self._journal, (action_id,)).get(action_id, [])

    # Taking back

    def _turn(
        self, claim: Claim, action: Action, deed: Deed, ending: State, error: MlopsError
    ) -> int:
        """Turn back: written down first, so that a crash does not send it forward again."""
        if not self._all_begun(deed.id):
            return self._end(claim, "denied" if ending == "denied" else "failed", error)
        self._claims.turn(claim, ending, error)
        return self._take_back(replace(claim, tries=1), action, deed, ending, error)

    def _take_back(
        self, claim: Claim, action: Action, deed: Deed, ending: State, why: MlopsError
    ) -> int:
        """Undo what was begun, last first: a step that failed may have done its work."""
        if claim.tries > _TRIES_BACK:
            return self._stuck(claim, why, MlopsError("Its executor ended each time."))
        try:
            steps = action.steps(self._context, deed)
            for begun in reversed(self._all_begun(deed.id)):
                if begun.state != "undone" and begun.number < len(steps):
                    self._undo(claim, deed, begun.number, steps[begun.number])
        except (LostClaimError, JournalError):
            raise
        except EngineUnreachableError as second:
            if claim.tries >= _TRIES_BACK:
                return self._stuck(claim, why, second)
            pause = min(_LONGEST_PAUSE_BACK_MS, 1_000 * 2 ** min(claim.tries - 1, 8))
            self._claims.put_back(claim, why, pause)
            return 0
        except MlopsError as second:
            return self._stuck(claim, why, second)
        return self._end(claim, ending, why)

    def _undo(self, claim: Claim, deed: Deed, number: int, step: Step) -> None:
        if step.undo is not None:
            step.undo()
            self._claims.mark(claim, number, step.name, "undone", "taken back", deed.memory)

    def _stuck(self, claim: Claim, why: MlopsError, second: MlopsError) -> int:
        hint = f"Taking it back failed too: {second.message} {why.hint}".strip()
        return self._end(claim, "failed", MlopsError(why.message, hint))

    def _end(self, claim: Claim, state: State, error: MlopsError) -> int:
        self._claims.end(claim, state, error=error.message, hint=error.hint)
        return 1

    def _give_up(self, claim: Claim, error: Exception) -> None:
        """Write down what a defect did: the next turn takes it back, or ends it if that fails."""
        said = MlopsError(
            f"A defect of this platform: {type(error).__name__}: {str(error)[:300]}.",
            "The log of the process that executed it has the trace.",
        )
        if claim.row.ending:
            self._stuck(claim, MlopsError(claim.row.error, claim.row.hint), said)
        elif self._all_begun(claim.row.id):
            self._claims.put_back(claim, said, 0, ending="compensated", tries=0)
        else:
            self._end(claim, "failed", said)

    # Reading

    def record(self, action_id: int) -> ActionRecord:
        """Return an action and how far it got.

        Raises:
            NotFoundError: No such action.
        """
        return records.record(self._journal, action_id)

    def wait(self, action_id: int, timeout_s: float = 30.0) -> ActionRecord:
        """Return the action when it ended, or as it is when the time is up."""
        end, pause_s = time.monotonic() + timeout_s, 0.02
        while True:
            found = self.record(action_id)
            if found.ended or time.monotonic() > end:
                return found
            time.sleep(pause_s)
            pause_s = min(0.25, pause_s * 1.5)

    def history(
        self,
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
        return records.history(
            self._journal,
            project=project,
            projects=projects,
            actor=actor,
            kinds=kinds,
            states=states,
            since=since,
            before=before,
            limit=limit,
        )
