"""Send a version to the remote; while it is away the version waits, and is sent by itself."""

from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import data
from services.actions.action import Context, Deed, Lane, Step
from services.actions.roles import Actor, Role
from services.errors import EngineUnreachableError


@dataclass(frozen=True, slots=True)
class DataPush:
    """Send what the remote has not of a version."""

    kind: ClassVar[str] = "data-push"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str
    revision: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Send version {self.revision[:16]} of {self.project} to the remote"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def pinned(self, context: Context) -> "DataPush":
        """Fix which version is meant."""
        return replace(self, revision=data.own(context, self.project, self.revision).revision)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a version the project has not."""
        del actor
        data.own(context, self.project, self.revision)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        version = data.own(context, self.project, self.revision)
        size = data.size(version.bytes)
        return (
            f"What is not there yet of {data.files(version.files)}, {size}, is sent to "
            f"{context.data.remote.shown}.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            try:
                sent = context.data.push(self.project, self.revision)
            except EngineUnreachableError as error:
                why = error.message.rstrip(".")
                return f"it waits, and is sent by itself when the remote is back: {why}"
            return f"{data.files(sent)} sent" if sent else "the remote has it already"

        return (Step("Send it", do),)
