"""Bring a project's folder to a version, byte for byte."""

from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import data, flags
from services.actions.action import Context, Deed, Lane, Step
from services.actions.roles import Actor, Role
from services.data.checkout import refuse_loss, unfinished
from services.data.looking import changes
from services.data.models import Version
from services.lineage.models import Ref


@dataclass(frozen=True, slots=True)
class DataCheckout:
    """Make the folder hold a version of data or models."""

    kind: ClassVar[str] = "data-checkout"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str
    revision: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Check out version {self.revision[:16]} of {self.project}"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def pinned(self, context: Context) -> "DataCheckout":
        """Fix which version is meant."""
        return replace(self, revision=data.allowed(context, self.project, self.revision).revision)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown version, and a folder with files that would be lost."""
        del actor
        version = data.allowed(context, self.project, self.revision)
        states = {s.kind: s.state for s in context.data.status(self.project)}
        if states[version.kind] not in {"clean", "empty"}:
            refuse_loss(self.project, context.data.planned(self.project, self.revision))

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        version = data.allowed(context, self.project, self.revision)
        project = context.data.project(self.project)
        current = project.current(version.kind)
        bad = flags.told(context, Ref(version.kind, version.revision), self.project)
        if current is not None and current.revision == version.revision:
            return (*bad, f"The folder is at this version of {version.kind} already.")
        found = changes(project, version, current)
        counts = f"{found.added} added, {found.changed} changed, {found.removed} removed"
        return (
            *bad,
            f"The project's {version.kind} becomes version {version.revision}: files {counts}.",
            _back(current),
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        version = data.allowed(context, self.project, self.revision)
        project = context.data.project(self.project)
        before = project.current(version.kind)
        came_from = deed.memory.setdefault("before", before.revision if before else None)

        def do() -> str:
            found, plan = context.data.checkout(self.project, self.revision)
            placed, gone = data.files(len(plan.placed)), data.files(len(plan.removed))
            return f"{found.kind} is {found.revision}: {placed} placed, {gone} removed"

        def undo() -> None:
            if came_from is not None and unfinished(project) is not None:
                context.data.checkout(self.project, str(came_from))

        return (Step("Bring the folder to it", do, undo),)


def _back(current: Version | None) -> str:
    if current is None:
        return "There was no version before."
    return f"What is there now is version {current.revision}; it can be checked out again."
