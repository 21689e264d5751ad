"""Accounts in the journal's database."""

import json
import re
from dataclasses import dataclass

import bcrypt
from sqlalchemy import Row, delete, select, update

from services.actions import schema
from services.actions.journal import Journal, now_ms
from services.actions.roles import Role, role_of
from services.errors import InputError, NotFoundError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
MIN_PASSWORD = 12
_MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class User:
    """A person as the journal knows them now."""

    name: str
    role: Role
    projects: tuple[str, ...] | None
    """Projects the person is scoped to; None is all."""
    disabled: bool
    created_ms: int


def check_name(name: str) -> None:
    """Refuse what is no user name.

    Raises:
        InputError: The message says what one is.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:64]!r} is no user name.",
            "1 to 64 letters, digits, and . _ @ -, beginning with a letter or digit.",
        )


def password_hash(name: str, password: str) -> str:
    """Return the bcrypt hash of a password that keeps the rules.

    Raises:
        InputError: It is too short, too long, or the user's name.
    """
    if len(password) < MIN_PASSWORD:
        raise InputError(f"A password has {MIN_PASSWORD} characters or more.")
    if len(password.encode()) > _MAX_PASSWORD_BYTES:
        raise InputError(f"A password has at most {_MAX_PASSWORD_BYTES} bytes.")
    if name.lower() in password.lower() and len(password) < 2 * len(name) + MIN_PASSWORD:
        raise InputError("The password holds the user name.", "Choose one that does not.")
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def find(journal: Journal, name: str) -> User | None:
    """Return a user, None when there is none."""
    table = schema.users
    with journal.read() as connection:
        row = connection.execute(select(table).where(table.c.name == name)).first()
    return None if row is None else user_of(row)


def require(journal: Journal, name: str) -> User:
    """Return a user.

    Raises:
        NotFoundError: There is none.
    """
    found = find(journal, name)
    if found is None:
        raise NotFoundError(f"There is no user {name[:64]!r}.", "`mlops users list`")
    return found


def everyone(journal: Journal) -> tuple[User, ...]:
    """Return all users by name."""
    table = schema.users
    with journal.read() as connection:
        return tuple(user_of(row) for row in connection.execute(select(table).order_by("name")))


def admins(journal: Journal) -> tuple[str, ...]:
    """Return the names of the admins who can sign in."""
    return tuple(u.name for u in everyone(journal) if u.role == "admin" and not u.disabled)


def insert(
    journal: Journal, name: str, hashed: str, role: Role, projects: tuple[str, ...] | None
) -> None:
    """Make an account."""
    with journal.write() as connection:
        connection.execute(
            schema.users.insert().values(
                name=name,
                password_hash=hashed,
                role=role,
                projects=None if projects is None else json.dumps(projects),
                disabled=False,
                created_ms=now_ms(),
                epoch=0,
            )
        )


def remove(journal: Journal, name: str) -> None:
    """Take an account back that was just made."""
    with journal.write() as connection:
        connection.execute(delete(schema.users).where(schema.users.c.name == name))


def change(
    journal: Journal,
    name: str,
    *,
    role: Role | None = None,
    projects: tuple[str, ...] | None = None,
    all_projects: bool = False,
    disabled: bool | None = None,
    password_hash: str | None = None,
) -> None:
    """Change what is given and end the person's sessions."""
    table = schema.users
    values: dict[str, object] = {"epoch": table.c.epoch + 1}
    if role is not None:
        values["role"] = role
    if all_projects or projects is not None:
        values["projects"] = None if all_projects else json.dumps(projects)
    if disabled is not None:
        values["disabled"] = disabled
    if password_hash is not None:
        values["password_hash"] = password_hash
    with journal.write() as connection:
        connection.execute(update(table).where(table.c.name == name).values(**values))
        connection.execute(delete(schema.sessions).where(schema.sessions.c.user == name))


def user_of(row: Row) -> User:  # type: ignore[type-arg]  # of the users table
    """Return a row as a user."""
    projects = None if row.projects is None else tuple(json.loads(row.projects))
    return User(row.name, role_of(row.role), projects, row.disabled, row.created_ms)
