"""Have a retraining that was accepted end before it comes to a verdict."""

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError, NotFoundError
from services.retraining import store
from services.retraining.models import UNDER_WAY, Happened, Proposal

_REASON_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class StopRetraining:
    """End a retraining that is under way: what it launched is cancelled, its version drawn back."""

    kind: ClassVar[str] = "retrain-stop"
    role: ClassVar[Role] = "operator"

    proposal: int
    project: str
    reason: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Stop retraining {self.proposal}"

    @property
    def subject(self) -> str:
        """The retraining."""
        return f"retraining:{self.proposal}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse one that is not under way, or is being made live, and a stop without a reason."""
        del actor
        if not self.reason.strip() or len(self.reason) > _REASON_LIMIT:
            raise InputError(f"Say why, in up to {_REASON_LIMIT:,} characters: it is remembered.")
        _check_under_way(self._of(context))

    def _of(self, context: Context) -> Proposal:
        found = store.proposal(context.journal, self.proposal)
        if found.project != self.project:
            raise NotFoundError(
                f"{self.project} has no retraining {self.proposal}.", "`mlops retrain list`"
            )
        return found

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = self._of(context)
        if found.state == "judging":
            first = (
                f"Version {found.candidate} stays in the registry and leaves the deployment; "
                "what is live answers alone."
            )
        elif found.workflow is not None:
            first = f"Its workflow {'/'.join(found.workflow)} is cancelled."
        elif found.policy.collects and not found.collected:
            first = "Nothing is launched. Rows that are collected already stay in the data."
        else:
            first = "Its workflow is cancelled as soon as it is launched, or never launched."
        if not found.alerts:
            return (first,)
        return first, "Its alert leads to no other proposal unless it gets worse."

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; the controller ends what is under way at its next look."""
        at, who = float(deed.memory.setdefault("at", time.time())), deed.actor.name

        def stopped(now: Proposal) -> store.Changed:
            said = f"Stopped by {who}: {self.reason.strip()}"
            if now.stopped == said:
                return now, ()
            _check_under_way(now)
            after = replace(now, stopped=said, said=said, stuck_since=None)
            return after, (Happened(at, "stopped", said, who),)

        def do() -> str:
            store.change(context.journal, self.proposal, stopped)
            return "what is under way is ended next"

        return (Step("Note who stopped it", do),)


def _check_under_way(found: Proposal) -> None:
    see = f"`mlops retrain show {found.id}` tells how it stands."
    if found.state not in UNDER_WAY:
        raise ConflictError(
            f"Retraining {found.id} is not under way: it is {found.state}.",
            "`mlops retrain dismiss` says no to one that is open."
            if found.state == "open"
            else see,
        )
    if found.stopped:
        raise ConflictError(f"Retraining {found.id} is being stopped already.", see)
    if found.verdict == "promote":
        raise ConflictError(
            f"Version {found.candidate} of {found.model} is being made live already.",
            f"`mlops rollback {found.project}/{found.model}` goes back to the one before.",
        )
