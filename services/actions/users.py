"""Manage people: add, change role and scope, disable, give a new password, end sessions.

Passwords never reach the journal: an action carries the bcrypt hash; the history hides even that.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from services.access import store
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role, role_of
from services.errors import InputError

_PROJECT = re.compile(r"[a-z][a-z0-9-]{0,40}")


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

    @property
    def subject(self) -> str:
        """All accounts: whether an admin is left depends on every one of them."""
        return "users"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a bad name, an unknown role, and a name that is taken."""
        del actor
        store.check_name(self.name)
        role_of(self.user_role)
        check_scope(self.projects)
        taken = store.similar(context.journal, self.name)
        if taken is not None:
            raise InputError(f"There is a user {taken} already.", "Choose another name.")

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
            role = role_of(self.user_role)
            store.insert(journal, self.name, self.password_hash, role, self.projects)
            return "the account is there"

        def undo() -> None:
            store.remove(journal, self.name, self.password_hash)

        return (Step("Make the account", do, undo),)


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """Change an account; what is None stays. With nothing to change it ends the sessions."""

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

    @property
    def ends_sessions(self) -> bool:
        """Whether the person has to sign in again; role and scope count at once without."""
        same = self.user_role is None and self.projects is None and not self.all_projects
        return same or self.disabled is not None or self.password_hash is not None

    @property
    def subject(self) -> str:
        """All accounts: whether an admin is left depends on every one of them."""
        return "users"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown user, and leaving the platform without an admin."""
        del actor
        found = store.require(context.journal, self.name)
        if self.user_role is not None:
            role_of(self.user_role)
        check_scope(self.projects)
        keeps = self.user_role in {None, "admin"} and not self.disabled and self.projects is None
        if store.is_admin(found) and not keeps and store.admins(context.journal) == (self.name,):
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
        if self.password_hash is not None:
            said.append(f"{self.name} signs in with the new password; a lock is taken off.")
        if self.ends_sessions:
            said.append(f"All sessions of {self.name} end.")
        return tuple(said)

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
                end_sessions=self.ends_sessions,
            )
            return "changed"

        return (Step("Change the account", do),)


def check_scope(projects: tuple[str, ...] | None) -> None:
    """Refuse what cannot be a list of project ids.

    Raises:
        InputError: The message names the one at fault.
    """
    for project in projects or ():
        if not _PROJECT.fullmatch(project):
            raise InputError(f"{project[:60]!r} is no project id.", "`mlops projects list`")
