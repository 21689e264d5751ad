"""Propose, accept and dismiss a retraining."""

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import serving
from services.actions.action import Context, Deed, Step
from services.actions.promote import check_reason, version_of
from services.actions.roles import Actor, Role, require_another
from services.alerting.models import thread_of
from services.errors import ConflictError, InputError, NotFoundError
from services.retraining import collecting, drafting, launching, store, wording
from services.retraining.models import (
    BOUNDS,
    BY_POLICY,
    COLLECTS,
    Collect,
    Evidence,
    Figures,
    Happened,
    Number,
    Policy,
    Proposal,
)

_REASON_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class ProposeRetraining:
    """Propose to train a model again; somebody else accepts it."""

    kind: ClassVar[str] = "retrain-propose"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    why: str
    version: int | None = None
    """The version that is not good enough; None: the one in service, else the champion."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Propose to retrain {self.model[:120]}"

    @property
    def subject(self) -> str:
        """The model's retrainings."""
        return f"retraining:{serving.name_of(self.project, self.model)}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown model or version, and a proposal without a reason."""
        del actor
        if not self.why.strip() or len(self.why) > _REASON_LIMIT:
            raise InputError(
                f"Say why, in up to {_REASON_LIMIT:,} characters: others decide by it."
            )
        context.mirror.project(self.project)
        context.mirror.model(self.project, self.model)
        if self.version is not None:
            version_of(context, self.project, self.model, self.version)

    def _draft(self, context: Context, who: str, at: float) -> Proposal:
        why = self.why.strip()
        name = serving.name_of(self.project, self.model)
        reason = drafting.Reason(
            self.project, self.model, thread_of(f"retraining/{name}/{who}", at), who,
            (Evidence(at, why, by=who),), self.version,
        )  # fmt: skip
        return drafting.draft(context, reason, at)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        under_way = _unended(context, self.project, self.model)
        if under_way is not None:
            return _added(under_way)
        draft = self._draft(context, "", time.time())
        return (
            "An approver decides about it; whoever proposed it cannot accept it.",
            *wording.costs(draft),
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            kept = store.put(context.journal, self._draft(context, deed.actor.name, at))
            deed.memory["retraining"] = kept.id
            merged = kept.requested_by != deed.actor.name or kept.created_at != at
            return f"retraining {kept.id} {'has your reason, too' if merged else 'is proposed'}"

        return (Step("Write the proposal down", do),)


@dataclass(frozen=True, slots=True)
class AcceptRetraining:
    """Have a proposed retraining begin, with all that follows from it."""

    kind: ClassVar[str] = "retrain-accept"
    role: ClassVar[Role] = "approver"

    proposal: int
    project: str
    note: str = ""
    data: str = ""
    """The version of the data that it trains with; empty: that of the proposal, as it is then."""
    collect: Collect | None = None
    """Which rows are collected first; None: as the policy says, and none where data was chosen."""
    collect_rows: int | None = None
    """With fewer nothing is trained; None: as the policy says."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Accept retraining {self.proposal}"

    @property
    def subject(self) -> str:
        """The retraining."""
        return f"retraining:{self.proposal}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse one's own proposal, one that was decided, and what could not be done now."""
        check_reason(self.note)
        self._check_collect()
        found = _of(context, self.proposal, self.project)
        _require_another(actor, found)
        _check_open(found)
        policy = self._policy(context)
        if policy.collects:
            one = replace(found, policy=policy)
            collecting.action(context, one).check(context, launching.actor(self.project))
        launching.launch(_as_of_now(context, found, self.data, policy)).check(
            context, launching.actor(self.project)
        )

    def _check_collect(self) -> None:
        if self.collect not in {None, *COLLECTS}:
            raise InputError(f"{str(self.collect)[:40]!r} is none of {', '.join(COLLECTS)}.")
        least, most = BOUNDS["collect_rows"]
        if self.collect_rows is not None and not least <= self.collect_rows <= most:
            said = f"The least of collected rows is {self.collect_rows:g}"
            raise InputError(f"{said}; it is {least:g} to {most:g}.")
        if self.data and self.collect == "labelled":
            raise InputError(
                "What is collected becomes a version of the data of its own, so no other can be "
                "chosen.",
                "Leave out one of the two.",
            )

    def _policy(self, context: Context) -> Policy:
        """Return what it is accepted under: the project's, but for what was chosen here."""
        found = store.policy(context.journal, self.project)
        collect = self.collect or ("no" if self.data else found.collect)
        rows = found.collect_rows if self.collect_rows is None else self.collect_rows
        return replace(found, collect=collect, collect_rows=rows)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different, by what is true now."""
        policy = self._policy(context)
        found = _as_of_now(context, _of(context, self.proposal, self.project), self.data, policy)
        launch = launching.launch(found).consequences(context)
        endpoint = serving.endpoint_of(context, found.project, found.model)
        live = endpoint.live.version if endpoint and endpoint.live else None
        after = wording.after(found, policy, live, serves=context.serving.enabled)
        return tuple(dict.fromkeys((*wording.costs(found), *launch, *after)))

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; data, cost and policy are those of this moment."""
        at = float(deed.memory.setdefault("at", time.time()))
        who = deed.actor.name

        def accepted(now: Proposal, found: Figures, policy: Policy) -> store.Changed:
            if now.approved_by == who and now.decided_at == at:
                return now, ()  # done before a crash
            _require_another(deed.actor, now)
            _check_open(now)
            said = f"Accepted by {who}." + (f" {self.note}" if self.note else "")
            after = replace(
                now.with_figures(found), state="accepted", approved_by=who, decided_at=at,
                reason=self.note, policy=policy, said=said,
            )  # fmt: skip
            return after, (Happened(at, "accepted", said, who, _numbers(after)),)

        def do() -> str:
            # Looked at before the journal is locked: data lies in files.
            policy = self._policy(context)
            found = _as_of_now(
                context, _of(context, self.proposal, self.project), self.data, policy
            ).figures
            store.change(context.journal, self.proposal, lambda now: accepted(now, found, policy))
            return "its rows are collected next" if policy.collects else "it is launched next"

        return (Step("Note who accepted it", do),)


@dataclass(frozen=True, slots=True)
class DismissRetraining:
    """Say that a proposed retraining is not wanted, and why."""

    kind: ClassVar[str] = "retrain-dismiss"
    role: ClassVar[Role] = "operator"

    proposal: int
    project: str
    reason: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Dismiss retraining {self.proposal}"

    @property
    def subject(self) -> str:
        """The retraining."""
        return f"retraining:{self.proposal}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse one that was decided, and a dismissal without a reason."""
        del actor
        if not self.reason.strip() or len(self.reason) > _REASON_LIMIT:
            raise InputError(f"Say why, in up to {_REASON_LIMIT:,} characters: it is remembered.")
        _check_open(_of(context, self.proposal, self.project))

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = _of(context, self.proposal, self.project)
        people = ", ".join(name for name in found.asked_by if name != BY_POLICY)
        told = f"Nothing is trained; your reason is there for {people or 'all'} to read."
        if not found.alerts:
            return (told,)
        return (
            told,
            "Its alert leads to no other proposal unless it gets worse.",
            "The alert itself goes on until there is evidence that it is over.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at, who = float(deed.memory.setdefault("at", time.time())), deed.actor.name

        def dismissed(now: Proposal) -> store.Changed:
            if now.approved_by == who and now.decided_at == at:
                return now, ()
            _check_open(now)
            said = f"Dismissed by {who}: {self.reason.strip()}"
            after = replace(
                now, state="dismissed", approved_by=who, decided_at=at, ended_at=at,
                reason=self.reason.strip(), said=said,
            )  # fmt: skip
            return after, (Happened(at, "dismissed", said, who),)

        def do() -> str:
            store.change(context.journal, self.proposal, dismissed)
            return "nothing is trained"

        return (Step("Note who dismissed it", do),)


def _added(under_way: Proposal) -> tuple[str, ...]:
    added = (
        f"Retraining {under_way.id} of {under_way.model} is {under_way.state}: your reason is "
        "added to it."
    )
    if under_way.state != "open":
        return (added,)
    return (added, "You cannot accept it then: nobody accepts what holds a reason of their own.")


def _require_another(actor: Actor, found: Proposal) -> None:
    """Let pass who has no reason in it.

    Raises:
        DeniedError: One of its reasons is the actor's own.
    """
    for name in found.asked_by:
        require_another(actor, name, f"Retraining {found.id}")


def _as_of_now(context: Context, found: Proposal, data: str, policy: Policy) -> Proposal:
    """Return a proposal that waits with what is true now; any other as it is.

    Args:
        context: Where everything is.
        found: The proposal.
        data: The version of the data that was chosen for it; empty: none was.
        policy: Which rows are collected first.

    Raises:
        NotFoundError: Its model is gone, or there is no such version of the data.
        PlatformError: The mirror or the journal cannot be read.
    """
    if found.state != "open":
        return found
    return found.with_figures(drafting.figures_of(context, found, data, policy))


def _numbers(now: Proposal) -> dict[str, Number]:
    return {
        "expected_minutes": now.minutes.median if now.minutes else None,
        "expected_joules": now.joules.median if now.joules else None,
    }


def _of(context: Context, number: int, project: str) -> Proposal:
    """Return a project's proposal.

    Raises:
        NotFoundError: The project has none of this number.
    """
    found = store.proposal(context.journal, number)
    if found.project != project:
        raise NotFoundError(f"{project} has no retraining {number}.", "`mlops retrain list`")
    return found


def _check_open(found: Proposal) -> None:
    if found.state != "open":
        who = f" by {found.approved_by}" if found.approved_by else ""
        raise ConflictError(
            f"Retraining {found.id} was decided{who} already; it is {found.state}.",
            f"`mlops retrain show {found.id}` tells what became of it.",
        )


def _unended(context: Context, project: str, model: str) -> Proposal | None:
    found = store.proposals(context.journal, projects=[project], model=model, limit=1)
    return found[0] if found and not found[0].ended else None
