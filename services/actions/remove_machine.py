"""Take a machine that reports no more off the list: sold, renamed, or set up anew."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role


@dataclass(frozen=True, slots=True)
class RemoveMachine:
    """Remove a machine's telemetry, and end the token it reported with."""

    kind: ClassVar[str] = "remove-machine"
    role: ClassVar[Role] = "admin"

    host: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Remove the machine {self.host[:80]}"

    @property
    def subject(self) -> str:
        """The machine."""
        return f"machine:{self.host}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a machine that is not there, and one that still reports."""
        del actor
        context.fleet.removable(self.host)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        context.fleet.removable(self.host)
        token = context.fleet.token_of(self.host)
        return (
            f"{self.host} leaves the list, and all its samples, charts and events are removed. "
            "They cannot be brought back.",
            "Runs that trained on it keep their energy, use and conditions; their hardware curves "
            "are gone.",
            f"Its token {token.name} ends: to report again it needs a new one."
            if token
            else "It reported without a token of its own: if a sampler or an agent starts on it "
            "again, it is back with a new history.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        fleet = context.fleet
        token = fleet.token_of(self.host)
        name = deed.memory.setdefault("token", token.name if token else None)

        def remove() -> str:
            return "its files are gone" if fleet.remove(self.host) else "it is not there any more"

        def end() -> str:
            return "the token has ended" if fleet.revoke(str(name)) else "it had ended already"

        steps = [Step("Remove its history", remove)]
        if name is not None:
            steps.append(Step(f"End its token {name}", end))
        return tuple(steps)
