"""Archive a model version, and bring it back: a tag takes it out of the choice."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.promote import version_of
from services.actions.roles import Actor, Role
from services.errors import ConflictError

TAG = "mlops.archived"
_YES = "true"


@dataclass(frozen=True, slots=True)
class ArchiveVersion:
    """Take a version out of what may be promoted, or (``back``) bring it back."""

    kind: ClassVar[str] = "archive-version"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    version: int
    back: bool = False

    @property
    def title(self) -> str:
        """What it does."""
        return f"{'Restore' if self.back else 'Archive'} {self.model} version {self.version}"

    @property
    def subject(self) -> str:
        """The version."""
        return f"version:{self.project}/{self.model}:{self.version}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown version and one that an alias points at."""
        del actor
        aliases = version_of(context, self.project, self.model, self.version).aliases
        if aliases and not self.back:
            raise ConflictError(
                f"Version {self.version} of {self.model} is {', '.join(aliases)}.",
                "Promote or roll back to another version first.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        if self.back:
            return ("The version is listed and may be promoted again.",)
        return (
            "The version is no longer proposed for promotion and leaves the table of versions.",
            "Its weights, metrics and run are kept; it can be restored.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        found = version_of(context, self.project, self.model, self.version)
        before = bool(deed.memory.setdefault("before", found.archived))

        def put(archived: bool) -> str:  # noqa: FBT001 - private, the state itself
            registry, at = context.registry, (self.project, self.model, self.version)
            if archived:
                registry.set_version_tag(*at, TAG, _YES)
            else:
                registry.delete_version_tag(*at, TAG)
            return "archived" if archived else "restored"

        def undo() -> None:
            put(before)

        return (Step("Write the mark", lambda: put(not self.back), undo),)
