"""Manage people: add, change role and scope, disable, give a new password.

Passwords never reach the journal: an action carries the bcrypt hash; the history hides even that.
"""

from dataclasses import dataclass
from typing import ClassVar

from services.access import store
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role, role_of
from services.errors import InputError


@dataclass(frozen=True, slots=True)
class AddUser:
    """Make an account."""

    kind: ClassVar[str] = "add-user"
    role: ClassVar[Role] = "admin"

    name: str
    user_role: str
    projects: tuple[str, ...] | None
    password_hash: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Add the user {self.name[:64]} as {self.user_role[:12]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a bad name, an unknown role, and a name that is taken."""
        del actor
        store.check_name(self.name)
        role_of(self.user_role)
        if store.find(context.journal, self.name) is not None:
            raise InputError(f"There is a user {self.name} already.", "Choose another name.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        scope = "all projects" if self.projects is None else ", ".join(self.projects) or "none"
        return (f"{self.name} can sign in as {self.user_role} and sees: {scope}.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        journal = context.journal

        def do() -> str:
            if store.find(journal, self.name) is None:
                role = role_of(self.user_role)
                store.insert(journal, self.name, self.password_hash, role, self.projects)
            return "the account is there"

        return (Step("Make the account", do, lambda: store.remove(journal, self.name)),)


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """Change an account; what is None stays. Any change ends the person's sessions."""

    kind: ClassVar[str] = "change-user"
    role: ClassVar[Role] = "admin"

    name: str
    user_role: str | None = None
    projects: tuple[str, ...] | None = None
    all_projects: bool = False
    disabled: bool | None = None
    password_hash: str | None = None

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        if self.disabled is not None:
            return f"{'Disable' if self.disabled else 'Enable'} the user {self.name[:64]}"
        if self.password_hash is not None:
            return f"Give the user {self.name[:64]} a new password"
        if self.user_role is None and self.projects is None and not self.all_projects:
            return f"End all sessions of the user {self.name[:64]}"
        return f"Change role or scope of the user {self.name[:64]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown user, and leaving the platform without an admin."""
        del actor
        found = store.require(context.journal, self.name)
        if self.user_role is not None:
            role_of(self.user_role)
        keeps = self.user_role in {None, "admin"} and not self.disabled
        if found.role == "admin" and not keeps and store.admins(context.journal) == (self.name,):
            raise InputError(f"{self.name} is the last admin.", "Make another user admin first.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = store.require(context.journal, self.name)
        said = []
        if self.user_role is not None and self.user_role != found.role:
            said.append(f"{self.name} changes from {found.role} to {self.user_role}.")
        if self.all_projects:
            said.append(f"{self.name} sees all projects.")
        elif self.projects is not None:
            said.append(f"{self.name} sees: {', '.join(self.projects) or 'no project'}.")
        if self.disabled is not None:
            said.append(f"{self.name} {'cannot' if self.disabled else 'can'} sign in.")
        return (*said, f"All sessions of {self.name} end.")

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        journal = context.journal

        def do() -> str:
            store.change(
                journal,
                self.name,
                role=role_of(self.user_role) if self.user_role else None,
                projects=self.projects,
                all_projects=self.all_projects,
                disabled=self.disabled,
                password_hash=self.password_hash,
            )
            return "changed"

        return (Step("Change the account", do),)
