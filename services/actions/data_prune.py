"""Free the cache of old versions that the remote has."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions import data
from services.actions.action import Context, Deed, Lane, Step
from services.actions.roles import Actor, Role
from services.errors import InputError


@dataclass(frozen=True, slots=True)
class DataPrune:
    """Take files of old versions out of this machine's cache."""

    kind: ClassVar[str] = "data-prune"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str
    keep: int = 1
    """How many versions of data and of models stay, the present one among them."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Free the cache of old versions of {self.project}"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown project, and to keep nothing."""
        del actor
        data.known(context, self.project)
        if self.keep < 1:
            raise InputError("The present version always stays: keep at least 1.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = context.data.prunable(self.project, self.keep)
        if not found.versions:
            return ("Nothing is to free: there is no version beyond those that stay.",)
        if not found.files:
            count = data.versions(found.versions)
            return (f"Nothing is to free: no file of the cache belongs to {count} earlier alone.",)
        return (
            f"Of {data.versions(found.versions)} earlier, {data.files(found.files)} that no "
            f"project's present version uses leave the cache of this machine: up to "
            f"{data.size(found.bytes)} become free.",
            f"Only what {context.data.remote.shown} has is removed: it is asked first, and a "
            "checkout fetches it again.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            done = context.data.prune(self.project, self.keep)
            said = f"{data.files(done.files)} removed, {data.size(done.freed_bytes)} became free"
            if done.kept_unsent:
                said += f"; {data.files(done.kept_unsent)} stayed, the remote has them not"
            return said

        return (Step("Remove what the remote has", do),)
