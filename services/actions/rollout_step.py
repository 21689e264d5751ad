"""Steer a rollout that is under way: make it live, end it, or change its share."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from services.actions import flags, serving
from services.actions.action import Context, Deed, Lane, Step
from services.actions.deploying_steps import progress
from services.actions.promote import check_reason
from services.actions.roles import Actor, Role, require
from services.errors import ConflictError, InputError, PlatformError
from services.serving import store
from services.serving.models import Endpoint, Rollout

Change = Literal["promote", "abort", "share"]
CHANGES: tuple[Change, ...] = ("promote", "abort", "share")


@dataclass(frozen=True, slots=True)
class SteerRollout:
    """Promote or abort a rollout, or set the share of its canary."""

    kind: ClassVar[str] = "rollout"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "serving"

    project: str
    model: str
    change: Change
    percent: float | None = None
    """With ``share`` alone."""
    version: int | None = None
    """Of the rollout that was looked at; None: the one under way."""
    reason: str = ""
    begun_by: int | None = None
    """The action whose rollout was looked at; None: that of the version which is under way."""

    @property
    def title(self) -> str:
        """What it does."""
        which = f" version {self.version}" if self.version is not None else ""
        name = f"{self.model[:120]}{which}"
        if self.change == "share":
            return f"Send {self.percent if self.percent is not None else 0:.4g} % to {name}"
        return f"{'Make' if self.change == 'promote' else 'End the rollout of'} {name}" + (
            " live" if self.change == "promote" else ""
        )

    @property
    def subject(self) -> str:
        """Of its own: it does not wait for the rollout to end."""
        return f"rollout:{serving.name_of(self.project, self.model)}"

    @property
    def needed_role(self) -> Role:
        """All requests, or most of them, take an approver; ending a rollout does not."""
        most = self.change == "share" and (self.percent or 0) / 100 > serving.OPERATOR_SHARE
        return "approver" if self.change == "promote" or most else "operator"

    def pinned(self, context: Context) -> "SteerRollout":
        """Fix which rollout is meant."""
        found = self._under_way(context)[1]
        return replace(self, version=found.target.version, begun_by=found.action_id)

    def _under_way(self, context: Context) -> tuple[Endpoint, Rollout]:
        now = serving.deployed(context, self.project, self.model)
        found = now.rollout
        if found is None or self.version not in {None, found.target.version}:
            which = f" of version {self.version}" if self.version is not None else ""
            raise ConflictError(f"No rollout{which} of {now.name} is under way.")
        if not self.means(found):
            raise ConflictError(
                f"Another rollout of version {found.target.version} of {now.name} is under way "
                "than the one that was looked at.",
                f"See it: `mlops deployments {self.project}/{self.model}`.",
            )
        return now, found

    def means(self, rollout: Rollout | None) -> bool:
        """Return whether a rollout is the one that was looked at."""
        return (
            rollout is not None
            and self.version in {None, rollout.target.version}
            and self.begun_by in {None, rollout.action_id}
        )

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse where no rollout is under way, or it is not of that kind."""
        require(actor, self.needed_role, self.project, self.title)
        check_reason(self.reason)
        if self.change not in CHANGES:
            raise InputError(f"{str(self.change)[:40]!r} is no change of a rollout.")
        if (self.change == "share") != (self.percent is not None):
            raise InputError("A share goes with the change of the share, and with it alone.")
        if self.percent is not None and not 0 < self.percent <= 100:
            raise InputError(f"{self.percent:g} % is no share of a canary; it is up to 100 %.")
        _, rollout = self._under_way(context)
        self._check_kind(rollout)
        if self.change != "abort":
            where = (self.project, self.model, rollout.target.version)
            flags.refuse_policy(context, actor, *where, self.title)

    def _check_kind(self, rollout: Rollout) -> None:
        version = rollout.target.version
        if self.change == "share" and (rollout.strategy != "canary" or rollout.header):
            raise ConflictError(f"Version {version} is no canary with a share of the requests.")
        if self.change == "promote" and rollout.strategy == "blue-green":
            raise ConflictError(
                f"Version {version} becomes live by itself when it has proved well."
            )
        if rollout.promote and self.change != "abort":
            raise ConflictError(f"Version {version} is being made live already.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        now, rollout = self._under_way(context)
        version, live = rollout.target.version, now.live.version if now.live else None
        if self.change == "share":
            return (
                f"{self.percent or 0:.4g} % of the requests to {now.name} are answered by version "
                f"{version}; now {serving.percent(rollout.share)}.",
            )
        if self.change == "promote":
            return (
                *flags.of_version(context, self.project, self.model, version),
                f"Version {version} answers all requests to {now.name} instead of {live}.",
                f"It is watched for {rollout.watch_s:g} s more and goes back by itself if a guard "
                "speaks.",
            )
        rest = f"Version {live} answers all requests." if live else f"{now.name} is gone again."
        return (f"Version {version} answers nobody any more and gives its memory back.", rest)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; which rollout was fixed when it was asked for."""
        steer = _Steering(self, context, deed)
        if self.change == "abort":
            return (Step("Want it no longer", steer.abort),)
        if self.change == "share":
            return (Step("Set its share", steer.share),)
        return (Step("Have it take all requests", steer.promote), Step("Follow it", steer.follow))


@dataclass(frozen=True, slots=True)
class _Steering:
    """A rollout that is steered; the newest event before is in the deed's memory."""

    action: SteerRollout
    context: Context
    deed: Deed

    @property
    def _name(self) -> str:
        return serving.name_of(self.action.project, self.action.model)

    @property
    def _version(self) -> int:
        return self.action.version or 0

    def _change(self, **values: object) -> Endpoint:
        version = self._version

        def how(now: Endpoint) -> Endpoint:
            if now.rollout is None or not self.action.means(now.rollout):
                raise ConflictError(f"The rollout of version {version} ended meanwhile.")
            return replace(now, rollout=replace(now.rollout, **values))  # type: ignore[arg-type]  # its own fields

        return store.change(self.context.journal, self.action.project, self.action.model, how)

    def abort(self) -> str:
        """End it; what ended meanwhile has."""
        who, why = self.deed.actor.name, self.action.reason
        said = f"Ended by {who}." + (f" {why}" if why else "")
        done = store.finish_rollout(
            self.context.journal, self._name, self._version,
            live=False, said=said, action_id=self.action.begun_by,
        )  # fmt: skip
        return "it is wanted no longer" if done else "it had ended already"

    def share(self) -> str:
        """Set the share."""
        share = (self.action.percent or 0) / 100
        self._change(share=share)
        said = f"Version {self._version} gets {serving.percent(share)} of the requests."
        store.record_event(
            self.context.journal, self._name, "scaled", said,
            version=self._version, action_id=self.deed.id, actor=self.deed.actor.name,
        )  # fmt: skip
        return f"it gets {serving.percent(share)}"

    def promote(self) -> str:
        """Tell it to become live; done again after a crash it is told the same."""
        if "after" not in self.deed.memory:
            newest = store.events(self.context.journal, self._name, 1)
            self.deed.memory["after"] = newest[0].id if newest else 0
        elif self._ended():
            return "it was told so before"
        self._change(promote=True)
        return "it was told so"

    def _ended(self) -> store.Event | None:
        after = int(self.deed.memory["after"])
        found = store.events(self.context.journal, self._name, 20, serving.ENDINGS, after=after)
        return next((one for one in found if self._of_it(one)), None)

    def _of_it(self, event: store.Event) -> bool:
        """Return whether an end is that of the rollout, or of the endpoint as a whole."""
        same = self.action.begun_by in {None, event.action_id}
        return event.version is None or (event.version == self._version and same)

    def follow(self) -> str:
        """Say what became of it, or (NotYetError) how far it is."""
        # Looked at first: a rollout and the line of its end go and come in one step.
        now = serving.endpoint_of(self.context, self.action.project, self.action.model)
        rollout = now.rollout if now else None
        ended = self._ended()
        if ended is not None and ended.kind == "live":
            return ended.said or f"version {self._version} is live"
        if ended is not None:
            raise PlatformError(f"Version {self._version} did not become live: {ended.said}")
        if rollout is None or not self.action.means(rollout):
            raise PlatformError(f"The rollout of version {self._version} ended meanwhile.")
        raise progress(self.context.serving.status(), self._name, rollout.action_id)
