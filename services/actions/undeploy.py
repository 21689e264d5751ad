"""Take an endpoint out of service."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from services.actions import serving
from services.actions.action import Context, Deed, Lane, NotYetError, Step
from services.actions.promote import check_reason
from services.actions.roles import Actor, Role
from services.serving import store


@dataclass(frozen=True, slots=True)
class Undeploy:
    """End all versions of an endpoint; what its package, history and log hold stays."""

    kind: ClassVar[str] = "undeploy"
    role: ClassVar[Role] = "approver"
    lane: ClassVar[Lane] = "serving"

    project: str
    model: str
    reason: str = ""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Take {self.model[:120]} out of service"

    @property
    def subject(self) -> str:
        """Of its own: it ends a rollout that is under way, and does not wait for it."""
        return f"undeploy:{serving.name_of(self.project, self.model)}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is not deployed."""
        del actor
        check_reason(self.reason)
        serving.deployed(context, self.project, self.model)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        return tuple(self._told(context))

    def _told(self, context: Context) -> Iterator[str]:
        now = serving.deployed(context, self.project, self.model)
        yield (
            f"Whoever asks {now.name} is told that there is no such model (404); what is under way "
            "is answered first."
        )
        counted = context.serving.figures()
        if counted is not None and now.live is not None:
            asked = sum(one.requests for one in counted.endpoints.get(now.name, {}).values())
            if asked:
                yield f"It was asked {asked} times in the last minute."
        if now.rollout is not None:
            yield f"The rollout of version {now.rollout.target.version} ends with it."
        yield "Its memory is given back. Packages, history, predictions and API keys stay."

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        name = serving.name_of(self.project, self.model)
        who = deed.actor.name
        said = f"Taken out of service by {who}." + (f" {self.reason}" if self.reason else "")

        def remove() -> str:
            store.remove(context.journal, name, said=said, action_id=deed.id, actor=who)
            return "it is wanted no longer"

        def follow() -> str:
            seen = context.serving.status()
            why = serving.engine_fault(seen)
            if seen is None or why:
                return f"its model servers end when the serving engine is back: {why}"
            left = seen.endpoints.get(name)
            running = sum(len(one.replicas) for one in left.versions) if left else 0
            if running:
                count = "1 model server" if running == 1 else f"{running} model servers"
                raise NotYetError(f"What is under way is answered; {count} left.")
            return "its model servers have ended"

        return (Step("Want it no longer", remove), Step("See its model servers end", follow))
