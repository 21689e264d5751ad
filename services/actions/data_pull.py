"""Have a version's files on this machine, each checked by its hash."""

from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import data
from services.actions.action import Context, Deed, Lane, Step
from services.actions.roles import Actor, Role


@dataclass(frozen=True, slots=True)
class DataPull:
    """Fetch what the cache lacks of a version, or has damaged."""

    kind: ClassVar[str] = "data-pull"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str
    revision: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Fetch version {self.revision[:16]} of {self.project}"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def pinned(self, context: Context) -> "DataPull":
        """Fix which version is meant."""
        return replace(self, revision=data.own(context, self.project, self.revision).revision)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a version the project has not."""
        del actor
        data.own(context, self.project, self.revision)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        version = data.own(context, self.project, self.revision)
        said: tuple[str, ...] = (
            f"{data.files(version.files)}, {data.size(version.bytes)}, are read and checked; what "
            f"is missing or damaged is fetched from {context.data.remote.shown}.",
        )
        if version.current:
            said += ("Files missing in the project's folder are put back; none is changed.",)
        return said

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            fetched = context.data.pull(self.project, self.revision)
            return f"{data.files(fetched)} fetched" if fetched else "all of it was here, undamaged"

        return (Step("Fetch it", do),)
