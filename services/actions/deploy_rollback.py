"""Roll an endpoint back to a version that was live before, with one click."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import deploying_steps, flags, serving
from services.actions.action import Context, Deed, Lane, Step
from services.actions.deploying_steps import Deploying
from services.actions.promote import check_reason
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError, MlopsError, NotFoundError
from services.serving import history
from services.serving.models import Guards, Rollout, Target

_OFF = Guards(None, max_latency_ratio=None, max_memory_ratio=None, max_thermal_level=None)
"""It was live before, and what it is held against is what people flee from."""


@dataclass(frozen=True, slots=True)
class RollbackDeployment:
    """Have an earlier version answer again."""

    kind: ClassVar[str] = "deploy-rollback"
    role: ClassVar[Role] = "approver"
    lane: ClassVar[Lane] = "serving"

    project: str
    model: str
    to_version: int | None = None
    """None: the one that was live before the present one."""
    reason: str = ""

    @property
    def title(self) -> str:
        """What it does."""
        back = "its earlier version" if self.to_version is None else f"version {self.to_version}"
        return f"Roll the endpoint {self.model[:120]} back to {back}"

    @property
    def subject(self) -> str:
        """The endpoint's rollouts."""
        return serving.subject(self.project, self.model)

    def pinned(self, context: Context) -> "RollbackDeployment":
        """Fix the version to go back to: what was confirmed is what is done."""
        return replace(self, to_version=self.target(context))

    def target(self, context: Context) -> int:
        """Return the version to go back to.

        Raises:
            NotFoundError: It is not deployed.
            ConflictError: No earlier version is known that could be served.
        """
        if self.to_version is not None:
            return self.to_version
        for version in self.earlier(context):
            return version
        raise ConflictError(
            self.why_none(context),
            f"Deploy another one: `mlops deploy {self.project}/{self.model}:VERSION`.",
        )

    def earlier(self, context: Context) -> tuple[int, ...]:
        """Return the versions that were live before and can be served, the last one first.

        Raises:
            NotFoundError: It is not deployed.
        """
        return tuple(one for one in self._seen(context) if not self._why_not(context, one))

    def why_none(self, context: Context) -> str:
        """Return why ``earlier`` names none.

        Raises:
            NotFoundError: It is not deployed.
        """
        why = next((self._why_not(context, one) for one in self._seen(context)), "")
        return f"{self.model} has no earlier version to go back to{': ' if why else '.'}{why}"

    def _seen(self, context: Context) -> tuple[int, ...]:
        now = serving.deployed(context, self.project, self.model)
        present = now.live.version if now.live else None
        return history.earlier_live(context.journal, now.name, present)

    def _why_not(self, context: Context, version: int) -> str:
        """Return why a version cannot be served, be it that the project's contract is broken."""
        try:
            serving.servable(context, self.project, self.model, version)
        except (NotFoundError, ConflictError, InputError) as error:
            return error.message
        return ""

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse when there is nothing to go back to, or that version cannot be served."""
        del actor
        check_reason(self.reason)
        serving.check_on(context)
        now = serving.deployed(context, self.project, self.model)
        serving.check_idle(now)
        version = self.target(context)
        serving.servable(context, self.project, self.model, version)
        if now.live is not None and now.live.version == version:
            raise ConflictError(f"Version {version} of {self.model} is live already.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        now = serving.deployed(context, self.project, self.model)
        before = f" instead of version {now.live.version}" if now.live else ""
        version = self.target(context)
        try:
            found = serving.outlook(
                context, self.project, self.model, self._as_live(now.live, version)
            )
        except MlopsError as error:
            room: tuple[str, ...] = (error.message,)
        else:
            room = (found.said,) if found else ()
        return (
            *flags.of_version(context, self.project, self.model, version),
            f"Version {version} answers all requests to {now.name}{before}.",
            "It is loaded beside and asked its own example first; no request is dropped.",
            "No guard holds it against the version it takes over from.",
            *room,
        )

    @staticmethod
    def _as_live(live: Target | None, version: int) -> Target:
        """Return the target: served as what is live, but its own memory planned."""
        served = live or Target(version)
        return replace(served, version=version, memory_bytes=0, memory_said="", alias="")

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; the version was fixed when it was asked for."""
        version = self.target(context)
        now = serving.endpoint_of(context, self.project, self.model)
        target = self._as_live(now.live if now else None, version)
        rollout = Rollout(target, watch_s=0.0, guards=_OFF)
        told = f"Going back to version {version} was begun. {self.reason}".strip()
        at = (context, deed, self.project, self.model)
        return Deploying(*at, rollout, told=told).steps()

    def outcome(self, context: Context, deed: Deed, said: Sequence[str]) -> str:
        """Return what became of it, with what it takes."""
        del context
        return deploying_steps.outcome(deed, said)
