"""The loop of retraining: alerts become proposals, policies decide, what was accepted goes on."""

import contextlib
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from services.actions.action import Context
from services.alerting import store as alerts
from services.alerting.models import Alert, kind_of, rank
from services.errors import JournalError, MlopsError, NotFoundError
from services.home import Home
from services.platform import public_address
from services.retraining import asking, bounds, drafting, proposing, steps, store, telling
from services.retraining.bounds import Decision
from services.retraining.looking import Looking
from services.retraining.models import (
    BY_POLICY,
    UNDER_WAY,
    Happened,
    Policy,
    Proposal,
)
from services.retraining.steps import Step

INTERVAL_S = 2.0
_RENEW_S = 60.0
"""So old may the figures of what waits for a decision be: they cost a look at runs and files."""
_ALERTS = 1_000
_PAST = 1_000
_FIGURES = re.compile(r"\d[\d.,]*")


@dataclass(slots=True)
class RetrainingWatch:
    """Proposes, decides and follows; everything it knows is in the journal and in engines."""

    context: Context
    home: Home
    clock: Callable[[], float] = time.time
    public: str = ""
    """Under which address people reach the dashboard; empty: not known."""
    _looking: Looking = field(init=False)
    _renewed_at: dict[int, float] = field(default_factory=dict)
    _looked_at: dict[int, float] = field(default_factory=dict)
    """By alert: when it was looked whether there is other data at last."""

    def __post_init__(self) -> None:
        """Look through the same context."""
        self._looking = Looking(self.context, self.home)

    def turn(self) -> None:
        """Look once at everything.

        Raises:
            MlopsError: Something could not be asked; the rest was looked at all the same.
        """
        journal, now = self.context.journal, self.clock()
        trouble: list[MlopsError] = []
        for one in store.proposals(journal, tuple(UNDER_WAY), limit=_PAST):
            self._guarded(trouble, lambda one=one: self._go_on(one, now))  # type: ignore[misc]  # bound at once
        policies = store.policies(journal)
        due = self._due(policies, now)
        for alert, last in due:
            self._guarded(
                trouble,
                lambda alert=alert, last=last: self._propose(alert, last, now),  # type: ignore[misc]  # bound at once
            )
        waiting = store.proposals(journal, ("open",), limit=_PAST)
        for one in waiting:
            policy = policies.get(one.project, Policy())
            self._guarded(
                trouble,
                lambda one=one, policy=policy: self._look_after(one, policy, now),  # type: ignore[misc]  # bound at once
            )
        self._renewed_at = _of(self._renewed_at, {one.id for one in waiting})
        self._looked_at = _of(self._looked_at, {alert.id for alert, _ in due})
        if trouble:
            raise trouble[0]

    @staticmethod
    def _guarded(trouble: list[MlopsError], do: Callable[[], object]) -> None:
        try:
            do()
        except JournalError:
            raise
        except MlopsError as error:  # one model that cannot be looked at keeps no other waiting
            trouble.append(error)

    # Following

    def _go_on(self, one: Proposal, now: float) -> None:
        if one.stopped:
            one = self._kept(one, Step(asking.begun(self.context, one)))
        try:
            found = steps.step(one, self._looking.look(one, now))
        except NotFoundError as error:
            self._kept(one, steps.lost(one, error, now))
            return
        after = self._kept(one, found)
        if found.ask is None or after != found.after:
            return
        try:
            action = asking.ask(self.context, after, found.ask)
        except JournalError:
            raise
        except MlopsError as error:
            self._kept(after, steps.refused(after, found.ask, error, now))
        else:
            self._kept(after, Step(steps.asked(after, found.ask, action)))

    def _kept(self, before: Proposal, found: Step) -> Proposal:
        """Write a step down, unless it was changed since it was looked at."""
        if found.after == before and not found.happened:
            return before

        def how(now: Proposal) -> store.Changed:
            return (found.after, found.happened) if now == before else (now, ())

        return store.change(self.context.journal, before.id, how, self._told)

    def _told(self, connection: Connection, after: Proposal) -> None:
        """Have people be told of a new version in service, in the transaction that notes it."""
        if after.state == "promoted":
            base = public_address.before(self.home, self.public)
            telling.promoted(connection, after, self.clock(), base)

    # Proposing

    def _due(
        self, policies: Mapping[str, Policy], now: float
    ) -> Sequence[tuple[Alert, Proposal | None]]:
        """Return alerts that lead to a proposal, each with the newest that answered it."""
        journal = self.context.journal
        kinds = (alerts.alerts(journal, kind=one, limit=_ALERTS) for one in proposing.KINDS)
        firing = sorted((alert for each in kinds for alert in each), key=lambda one: one.id)
        if not firing:
            return ()
        projects = sorted({one.project for one in firing if one.project})
        past: dict[str, list[Proposal]] = {}
        for one in store.proposals(journal, projects=projects, limit=_PAST):
            past.setdefault(one.name, []).append(one)
        # The oldest first: the first alert is what a proposal is of, and its thread is the thread.
        return tuple(
            (alert, proposing.last_of(alert, past))
            for alert in proposing.due(firing, past, policies, now)
        )

    def _propose(self, alert: Alert, last: Proposal | None, now: float) -> None:
        """Propose it; what was proposed with nothing new to learn, with other data alone."""
        reason = drafting.of_alert(alert)
        once = last is not None and proposing.is_told(reason.evidence[0], last)
        if once and not _is_time(self._looked_at, alert.id, now):
            return
        draft = drafting.draft(self.context, reason, now)
        if not once or draft.again is None:
            store.put(self.context.journal, draft)

    # Deciding

    def _look_after(self, one: Proposal, policy: Policy, now: float) -> None:
        """Take back what has no reason any more; decide about the rest where that is allowed."""
        if one.by_alerts_alone and (over := self._over(one)):
            said = f"What it answers has ended: {over}"
            after = replace(
                one, state="dismissed", approved_by=BY_POLICY, decided_at=now, ended_at=now,
                reason=said, said=said,
            )  # fmt: skip
            self._kept(one, Step(after, (Happened(now, "dismissed", said, BY_POLICY),)))
            return
        one = self._renewed(one, policy, now)
        if policy.mode == "automatic" and self._fires(one, policy):
            self._decide(one, policy, now)

    def _renewed(self, one: Proposal, policy: Policy, now: float) -> Proposal:
        """Have it say what is true now: whoever looks at it, decides by it."""
        same = policy.collects == one.data.collects
        if same and not _is_time(self._renewed_at, one.id, now):
            return one
        try:
            found = drafting.figures_of(self.context, one, policy=policy)
        except NotFoundError:  # what it was told with is what was known last
            return one
        return self._kept(one, Step(one.with_figures(found)))

    def _fires(self, one: Proposal, policy: Policy) -> bool:
        """Return whether one of its alerts fires still, heard and as severe as the policy wants."""
        for name in one.alerts:
            with contextlib.suppress(NotFoundError):
                alert = alerts.alert(self.context.journal, name)
                severe = rank(alert.severity) >= rank(policy.min_severity)
                if severe and proposing.is_heard(alert, self._explaining(alert)):
                    return True
        return False

    def _explaining(self, alert: Alert) -> Alert | None:
        """Return the alert that explains it, if that is one which leads to proposals."""
        key = alert.inhibited_by
        if key is None or kind_of(key) not in proposing.KINDS:
            return None
        return next(iter(alerts.alerts(self.context.journal, key=key, limit=1)), None)

    def _over(self, one: Proposal) -> str:
        """Return what ended its alerts; empty: one has not ended, or is not known."""
        said = ""
        for name in one.alerts:
            try:
                alert = alerts.alert(self.context.journal, name)
            except NotFoundError:
                return ""
            if alert.open:
                return ""
            said = alert.resolution or "its alert was resolved."
        return said

    def _decide(self, one: Proposal, policy: Policy, now: float) -> None:
        found = self._allowed(one, policy, now)
        if found.allowed:
            self._accept(one, policy, now)
        else:
            self._kept(one, _refused(one, found, now))

    def _accept(self, one: Proposal, policy: Policy, now: float) -> None:
        """Accept it, unless what is true by now speaks against it.

        Asked again while nobody else can accept anything: what a budget has left is used once.
        """
        journal = self.context.journal
        try:
            fresh = one.with_figures(
                drafting.figures_of(self.context, one, policy=policy)
            )  # looks at files, so it goes first
        except NotFoundError as error:
            self._kept(one, _refused(one, Decision((error.message,)), now))
            return

        def how(kept: Proposal) -> store.Changed:
            if kept != one or store.policy(journal, one.project) != policy:
                return kept, ()  # the next look decides by that
            found = self._allowed(fresh, policy, now)
            done = _accepted(fresh, policy, found, now) if found.allowed else _refused(
                fresh, found, now
            )  # fmt: skip
            return done.after, done.happened

        store.change(journal, one.id, how)

    def _allowed(self, one: Proposal, policy: Policy, now: float) -> Decision:
        since = now - bounds.longest_s(policy)
        past = store.proposals(
            self.context.journal, projects=[one.project], since=since, limit=_PAST
        )
        return bounds.decide(policy, one, past, now)


def _of(times: Mapping[int, float], numbers: Set[int]) -> dict[int, float]:
    return {number: at for number, at in times.items() if number in numbers}


def _is_time(before: dict[int, float], number: int, now: float) -> bool:
    """Return whether what costs a look at runs and files is due again, and note that it was."""
    if 0 <= now - before.get(number, -math.inf) < _RENEW_S:
        return False
    before[number] = now
    return True


def _accepted(one: Proposal, policy: Policy, found: Decision, now: float) -> Step:
    said = found.said
    after = replace(
        one, state="accepted", approved_by=BY_POLICY, decided_at=now, reason=said, policy=policy,
        refused="", said=said,
    )  # fmt: skip
    return Step(after, (Happened(now, "accepted", said, BY_POLICY, found.numbers),))


def _refused(one: Proposal, found: Decision, now: float) -> Step:
    # Its figures change with each look; what they say is told when it is another thing.
    if _FIGURES.sub("#", found.said) == _FIGURES.sub("#", one.refused):
        return Step(one)
    line = Happened(now, "refused", found.said, BY_POLICY, found.numbers)
    return Step(replace(one, refused=found.said), (line,))
