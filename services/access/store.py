"""Accounts in the journal's database."""

import json
import re
from dataclasses import dataclass

import bcrypt
from sqlalchemy import Connection, Row, delete, func, select, update

from services.actions import database, schema
from services.actions.journal import Journal, now_ms
from services.actions.roles import Role, role_of
from services.errors import ConflictError, InputError, NotFoundError

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
        InputError: It is too short, too long, or little more than the user's name.
    """
    if len(password) < MIN_PASSWORD:
        raise InputError(f"A password has {MIN_PASSWORD} characters or more.")
    if len(password.encode()) > _MAX_PASSWORD_BYTES:
        raise InputError(f"A password has at most {_MAX_PASSWORD_BYTES} bytes.")
    if "\0" in password:
        raise InputError("A password has no NUL character.")
    if len(password.lower().replace(name.lower(), "")) < MIN_PASSWORD // 2:
        raise InputError("The password is little more than the user name.", "Choose another.")
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


def similar(journal: Journal, name: str) -> str | None:
    """Return the name that differs at most in upper and lower case, None when there is none."""
    table = schema.users
    with journal.read() as connection:
        query = select(table.c.name).where(func.lower(table.c.name) == name.lower())
        return connection.execute(query).scalar()


def is_admin(user: User) -> bool:
    """Return whether the user may manage the whole platform now."""
    return user.role == "admin" and user.projects is None and not user.disabled


def admins(journal: Journal) -> tuple[str, ...]:
    """Return the names of the admins of the whole platform who can sign in."""
    return tuple(user.name for user in everyone(journal) if is_admin(user))


def insert(
    journal: Journal, name: str, hashed: str, role: Role, projects: tuple[str, ...] | None
) -> None:
    """Make an account; making the very same again changes nothing.

    Raises:
        ConflictError: Another account has the name.
    """
    with journal.write() as connection:
        insert_into(connection, name, hashed, role, projects)


def insert_into(
    connection: Connection, name: str, hashed: str, role: Role, projects: tuple[str, ...] | None
) -> None:
    """Make an account inside the caller's transaction.

    Raises:
        ConflictError: Another account has the name.
    """
    table = schema.users
    database.lock(connection, table.name)
    found = connection.execute(
        select(table.c.name, table.c.password_hash).where(func.lower(table.c.name) == name.lower())
    ).first()
    if found is not None:
        # A hash is salted, so the same one is the same account, made before a crash.
        if found.password_hash == hashed:
            return
        raise ConflictError(f"There is a user {found.name} already.", "Choose another name.")
    connection.execute(
        table.insert().values(
            name=name,
            password_hash=hashed,
            role=role,
            projects=None if projects is None else json.dumps(projects),
            disabled=False,
            created_ms=now_ms(),
            epoch=0,
        )
    )


def remove(journal: Journal, name: str, hashed: str) -> None:
    """Take back an account that was just made with this hash."""
    table = schema.users
    with journal.write() as connection:
        made = (table.c.name == name) & (table.c.password_hash == hashed)
        connection.execute(delete(table).where(made))


def change(
    journal: Journal,
    name: str,
    *,
    role: Role | None = None,
    projects: tuple[str, ...] | None = None,
    all_projects: bool = False,
    disabled: bool | None = None,
    password_hash: str | None = None,
    end_sessions: bool = True,
) -> None:
    """Change what is given; a new password takes a lock off as well.

    Raises:
        NotFoundError: There is no such user.
        ConflictError: No admin of the whole platform would be left.
    """
    table = schema.users
    given = {"role": role, "disabled": disabled, "password_hash": password_hash}
    values: dict[str, object] = {k: v for k, v in given.items() if v is not None}
    values["epoch"] = table.c.epoch + int(end_sessions)
    if all_projects or projects is not None:
        values["projects"] = None if all_projects else json.dumps(projects)
    with journal.write() as connection:
        database.lock(connection, table.name)
        had = _has_admin(connection)
        if (
            connection.execute(update(table).where(table.c.name == name).values(**values)).rowcount
            < 1
        ):
            raise NotFoundError(f"There is no user {name[:64]!r}.", "`mlops users list`")
        if had and not _has_admin(connection):
            raise ConflictError(f"{name} is the last admin.", "Make another user admin first.")
        if end_sessions:
            connection.execute(delete(schema.sessions).where(schema.sessions.c.user == name))
        if password_hash is not None:
            forgive(connection, name)


def _has_admin(connection: Connection) -> bool:
    table = schema.users
    left = (table.c.role == "admin") & table.c.projects.is_(None) & ~table.c.disabled
    return connection.execute(select(table.c.name).where(left)).first() is not None


def failure_subject(name: str) -> str:
    """Return under what a name's failed sign-ins are counted; upper and lower case are one."""
    return f"user:{name[:64].lower()}"


def forgive(connection: Connection, name: str) -> None:
    """Forget a name's failed sign-ins."""
    table = schema.failures
    connection.execute(delete(table).where(table.c.subject == failure_subject(name)))


def user_of(row: Row) -> User:  # type: ignore[type-arg]  # of the users table
    """Return a row as a user."""
    projects = None if row.projects is None else tuple(json.loads(row.projects))
    return User(row.name, role_of(row.role), projects, row.disabled, row.created_ms)
