"""Signing in: a checked password gives a ticket, the ticket a cookie, the cookie the person.

The cookie's value is random and only its hash is stored. It is looked up at every rerun together
with the account, so sign-out, a changed role or a disabled account count at once. Failed sign-ins
lock a name and an address, in the database: a restart forgives nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt
from sqlalchemy import Connection, delete, func, select

from services.access import store
from services.access.store import User
from services.actions import audit, schema
from services.actions.journal import Journal, now_ms
from services.errors import DeniedError, InputError

if TYPE_CHECKING:
    from services.settings import Settings

_TICKET_S = 60
_WINDOW_S = 900
_FAILURES_A_NAME = 10
_FAILURES_AN_ADDRESS = 30
# Checked when there is no such user, so that an unknown name takes as long as a known one.
_NOBODY = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt(12))


@dataclass(frozen=True, slots=True)
class Ticket:
    """Works once, within a minute: the browser trades it for its cookie."""

    value: str


@dataclass(frozen=True, slots=True)
class Session:
    """One browser in which a person is signed in."""

    user: str
    created_ms: int
    expires_ms: int
    address: str


class Access:
    """Who people are."""

    def __init__(self, journal: Journal, session_days: float) -> None:
        self._journal = journal
        self._session_ms = int(session_days * 86_400_000)

    @classmethod
    def open(cls, settings: "Settings") -> "Access":
        """Open an installation's accounts."""
        return cls(Journal.open(settings), settings.session_days)

    def sign_in(self, name: str, password: str, address: str) -> Ticket:
        """Check a password.

        Raises:
            DeniedError: Wrong, disabled, or locked; the message does not tell which account exists.
        """
        self._refuse_locked(name, address)
        table = schema.users
        with self._journal.read() as connection:
            row = connection.execute(select(table).where(table.c.name == name)).first()
        hashed = row.password_hash.encode() if row else _NOBODY
        right = bcrypt.checkpw(password.encode()[:72], hashed)
        if row is None or not right or row.disabled:
            self._failed(name, address)
            raise DeniedError("User name and password do not match.", "Mind upper and lower case.")
        return self._ticket(row.name, row.epoch, {"address": address})

    def vouched(self, name: str, address: str) -> Ticket:
        """Give a ticket to a person for whom a configured identity provider vouches.

        Raises:
            DeniedError: There is no such account here, or it is disabled.
        """
        with self._journal.read() as connection:
            row = connection.execute(
                select(schema.users).where(schema.users.c.name == name)
            ).first()
        if row is None or row.disabled:
            raise DeniedError(
                f"{name[:64]} has no account here that may sign in.",
                "An admin adds one under the very name the identity provider gives.",
            )
        return self._ticket(row.name, row.epoch, {"address": address, "by": "identity provider"})

    def _ticket(self, name: str, epoch: int, detail: dict[str, object]) -> Ticket:
        ticket = secrets.token_urlsafe(32)
        with self._journal.write() as connection:
            connection.execute(
                schema.sessions.insert().values(
                    id_hash=_hash(secrets.token_urlsafe(32)),
                    user=name,
                    epoch=epoch,
                    ticket_hash=_hash(ticket),
                    created_ms=now_ms(),
                    expires_ms=now_ms() + _TICKET_S * 1000,
                    address=str(detail["address"])[:80],
                )
            )
            self._forgive(connection, f"user:{name}")
            audit.append(connection, name, "sign-in", name, detail=detail)
        return Ticket(ticket)

    def redeem(self, ticket: str) -> str:
        """Trade a ticket for the value of the session cookie.

        Raises:
            DeniedError: It was used, is older than a minute, or never was.
        """
        table = schema.sessions
        cookie = secrets.token_urlsafe(32)
        with self._journal.write() as connection:
            row = connection.execute(
                select(table).where(table.c.ticket_hash == _hash(ticket))
            ).first()
            if row is None or row.expires_ms < now_ms():
                raise DeniedError("This sign-in has expired or was used.", "Sign in again.")
            connection.execute(
                table.update()
                .where(table.c.id_hash == row.id_hash)
                .values(
                    id_hash=_hash(cookie),
                    ticket_hash=None,
                    expires_ms=now_ms() + self._session_ms,
                )
            )
            connection.execute(delete(table).where(table.c.expires_ms < now_ms()))
        return cookie

    def who(self, cookie: str) -> User | None:
        """Return the person behind a cookie at this moment; None when it is not valid any more."""
        sessions, users = schema.sessions, schema.users
        query = (
            select(users)
            .join(sessions, sessions.c.user == users.c.name)
            .where(
                sessions.c.id_hash == _hash(cookie),
                sessions.c.ticket_hash.is_(None),
                sessions.c.expires_ms > now_ms(),
                sessions.c.epoch == users.c.epoch,
                ~users.c.disabled,
            )
        )
        with self._journal.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else store.user_of(row)

    def sign_out(self, cookie: str) -> None:
        """End the session of a cookie."""
        person = self.who(cookie)
        with self._journal.write() as connection:
            table = schema.sessions
            connection.execute(delete(table).where(table.c.id_hash == _hash(cookie)))
            if person is not None:
                audit.append(connection, person.name, "sign-out", person.name)

    def change_password(self, cookie: str, old: str, new: str) -> None:
        """Give oneself a new password; the other sessions end, this one stays.

        Raises:
            DeniedError: The old one is wrong, or the session has ended.
            InputError: The new one does not keep the rules.
        """
        person = self.who(cookie)
        if person is None:
            raise DeniedError("Your session has ended.", "Sign in again.")
        self._refuse_locked(person.name, "")
        users, sessions = schema.users, schema.sessions
        with self._journal.read() as connection:
            row = connection.execute(select(users).where(users.c.name == person.name)).one()
        if not bcrypt.checkpw(old.encode()[:72], row.password_hash.encode()):
            self._failed(person.name, "")
            raise DeniedError("The present password is wrong.")
        if old == new:
            raise InputError("The new password is the old one.")
        hashed = store.password_hash(person.name, new)
        with self._journal.write() as connection:
            connection.execute(
                users.update().where(users.c.name == person.name).values(password_hash=hashed)
            )
            mine = sessions.c.id_hash == _hash(cookie)
            connection.execute(delete(sessions).where(sessions.c.user == person.name, ~mine))
            audit.append(connection, person.name, "password.changed", person.name)

    def sessions(self) -> tuple[Session, ...]:
        """Return who is signed in, newest first."""
        table = schema.sessions
        query = select(table).where(table.c.ticket_hash.is_(None), table.c.expires_ms > now_ms())
        with self._journal.read() as connection:
            rows = connection.execute(query.order_by(table.c.created_ms.desc()))
            return tuple(Session(r.user, r.created_ms, r.expires_ms, r.address) for r in rows)

    # Lockout

    def _refuse_locked(self, name: str, address: str) -> None:
        for subject, limit in _subjects(name, address):
            wait_s = self._locked_s(subject, limit)
            if wait_s > 0:
                raise DeniedError(
                    f"Too many failed sign-ins; try again in {max(1, round(wait_s / 60))} min.",
                    "An admin can give you a new password meanwhile.",
                )

    def _locked_s(self, subject: str, limit: int) -> float:
        table = schema.failures
        since = now_ms() - _WINDOW_S * 1000
        query = select(func.count(), func.max(table.c.at_ms)).where(
            table.c.subject == subject, table.c.at_ms > since
        )
        with self._journal.read() as connection:
            count, newest = connection.execute(query).one()
        if count < limit:
            return 0
        # Doubles with each failure beyond the limit, from half a minute to the whole window.
        delay_s = min(_WINDOW_S, 30 * 2 ** (count - limit))
        return float(newest / 1000 + delay_s - now_ms() / 1000)

    def _failed(self, name: str, address: str) -> None:
        with self._journal.write() as connection:
            at = now_ms()
            table = schema.failures
            connection.execute(delete(table).where(table.c.at_ms < at - _WINDOW_S * 1000))
            for subject, _ in _subjects(name, address):
                connection.execute(table.insert().values(subject=subject, at_ms=at))
            detail: dict[str, object] = {"address": address}
            audit.append(connection, name[:64], "sign-in.failed", name[:64], detail=detail)

    @staticmethod
    def _forgive(connection: Connection, subject: str) -> None:
        table = schema.failures
        connection.execute(delete(table).where(table.c.subject == subject))


def ensure_admin(journal: Journal) -> str | None:
    """Make the user ``admin`` when there is no user at all; return the password, once."""
    if store.everyone(journal):
        return None
    password = secrets.token_urlsafe(15)
    store.insert(journal, "admin", store.password_hash("admin", password), "admin", None)
    with journal.write() as connection:
        audit.append(connection, "platform", "user.first-admin", "admin")
    return password


def _subjects(name: str, address: str) -> tuple[tuple[str, int], ...]:
    by_name = (f"user:{name[:64]}", _FAILURES_A_NAME)
    return (by_name, (f"address:{address[:80]}", _FAILURES_AN_ADDRESS)) if address else (by_name,)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
