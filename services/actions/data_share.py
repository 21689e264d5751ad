"""Let another project use a project's versions, and take that back."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions import data
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.data.models import Kind
from services.data.project import kind_of
from services.errors import InputError


@dataclass(frozen=True, slots=True)
class DataShare:
    """Share data or models with another project, or (``back``) stop it."""

    kind: ClassVar[str] = "data-share"
    role: ClassVar[Role] = "approver"

    project: str
    with_project: str
    what: Kind = "data"
    back: bool = False

    @property
    def title(self) -> str:
        """What it does."""
        if self.back:
            return f"Stop sharing {self.what} of {self.project} with {self.with_project[:42]}"
        return f"Share {self.what} of {self.project} with {self.with_project[:42]}"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse projects that are not connected, and one with itself."""
        del actor
        kind_of(self.what)
        data.known(context, self.project)
        data.known(context, self.with_project)
        if self.project == self.with_project:
            raise InputError("A project has its own data already.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        if self.back:
            return (
                f"{self.with_project} can check out no more versions of {self.project}.",
                "What it checked out stays its own.",
            )
        return (
            f"{self.with_project} can check out every version of {self.what} of {self.project}, "
            "present and future.",
            "The bytes stay stored once. It can be taken back.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        shares = context.data.shares(self.project)
        now = any((s.with_project, s.kind) == (self.with_project, self.what) for s in shares)
        before = bool(deed.memory.setdefault("before", now))

        def put(shared: bool) -> str:  # noqa: FBT001 - private, the state itself
            if shared:
                context.data.share(self.project, self.with_project, self.what, deed.actor.name)
            else:
                context.data.unshare(self.project, self.with_project, self.what)
            return "shared" if shared else "not shared"

        def undo() -> None:
            put(before)

        return (Step("Write it down", lambda: put(not self.back), undo),)
