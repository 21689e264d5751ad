"""Who may do what. Enforced when an action is submitted and again when it runs."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.errors import DeniedError, InputError

Role = Literal["viewer", "operator", "approver", "admin"]
ActorKind = Literal["user", "os", "policy"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "admin")


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who acts: a signed-in person, the owner of the machine, or a policy."""

    name: str
    """Of a person the user name; else ``os:NAME`` or ``policy:NAME``, which no user name can be."""
    role: Role
    projects: tuple[str, ...] | None = None
    """Projects the actor is scoped to; None is all."""
    kind: ActorKind = "user"


def role_of(word: str) -> Role:
    """Return the word as a role.

    Raises:
        InputError: There is no such role.
    """
    for role in ROLES:
        if role == word:
            return role
    raise InputError(f"There is no role {word[:40]!r}.", f"Roles are {', '.join(ROLES)}.")


def at_least(actor: Actor, needed: Role) -> bool:
    """Return whether the actor's role includes ``needed``."""
    return ROLES.index(actor.role) >= ROLES.index(needed)


def sees(actor: Actor, project: str | None) -> bool:
    """Return whether the actor's scope includes a project; None is the whole platform."""
    return actor.projects is None or (project is not None and project in actor.projects)


def reason_against(actor: Actor, needed: Role, project: str | None, what: str) -> str:
    """Return why the actor may not do ``what``, empty when they may."""
    if not at_least(actor, needed):
        return f"{what} takes the role {needed}; {actor.name} is {actor.role}."
    if not sees(actor, project):
        where = f"the project {project}" if project else "the whole platform"
        return f"{what} concerns {where}, and {actor.name} is scoped to other projects."
    return ""


def require(actor: Actor, needed: Role, project: str | None, what: str) -> None:
    """Let the actor pass.

    Raises:
        DeniedError: Role or scope do not allow it.
    """
    reason = reason_against(actor, needed, project, what)
    if reason:
        raise DeniedError(reason, "Ask an admin for the role or the scope.")


def require_another(actor: Actor, requester: str, what: str) -> None:
    """Let the actor pass who is not the one that asked.

    Raises:
        DeniedError: Nobody approves what they asked for themselves.
    """
    if actor.name == requester:
        raise DeniedError(
            f"{what} was asked for by {requester}, who cannot approve it as well.",
            "Ask another approver.",
        )


def machine_owner(home: Path) -> Actor:
    """Return the operating-system user as an actor: who owns the home folder is admin of it.

    Raises:
        DeniedError: The home folder belongs to somebody else.
    """
    user = os.geteuid()
    name = pwd.getpwuid(user).pw_name
    if user not in {0, home.stat().st_uid}:
        raise DeniedError(
            f"{home} belongs to another user than {name}.", "Sign in to the dashboard instead."
        )
    return Actor(f"os:{name}", "admin", None, "os")


def policy(name: str, role: Role, projects: tuple[str, ...] | None) -> Actor:
    """Return an automatic policy as an actor."""
    return Actor(f"policy:{name}", role, projects, "policy")
