"""Signing in: a checked password gives a ticket, the ticket a cookie, the cookie the person.

The cookie's value is random and only its hash is stored. It is looked up at every rerun together
with the account, so sign-out, a changed role or a disabled account count at once.
"""

import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt
from sqlalchemy import Row, delete, select, update

from services.access import lockout, store
from services.access.identity import Identity, account, spend
from services.access.store import User
from services.actions import audit, database, schema
from services.actions.journal import Journal, now_ms
from services.errors import DeniedError, InputError, JournalError

if TYPE_CHECKING:
    from services.settings import Settings

_TICKET_S = 60
_LONGEST_SESSION = 4
"""A session in use is prolonged, up to this many times its length."""
_PROLONG_AT = 0.9
"""Prolonged when less than this part of its time is left: a write now and then, not every rerun."""
# Checked when there is no such user, so that an unknown name takes as long as a known one. It is
# the hash of random bytes nobody kept, of the same cost as ours.
_NOBODY = b"$2b$12$rxP6J411iPJmlE1lz3oKjOAilr71BdYUOiEMSjMWNL0Gy/WNZqMPS"


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

    @property
    def cookie_max_age_s(self) -> int:
        """How long a browser may keep the cookie; the session behind it ends earlier, if unused."""
        return _LONGEST_SESSION * self._session_ms // 1000

    def authenticate(self, name: str, password: str, address: str) -> User:
        """Check a password.

        Raises:
            DeniedError: Wrong, disabled, or locked; the message does not tell which account exists.
        """
        return store.user_of(self._account(name, password, address))

    def _account(self, name: str, password: str, address: str) -> Row:  # type: ignore[type-arg]  # of users
        name = audit.clean(name)
        attempt = lockout.begin(self._journal, name, address)
        table = schema.users
        with self._journal.read() as connection:
            row = connection.execute(select(table).where(table.c.name == name)).first()
        right = _matches(password, row.password_hash.encode() if row else _NOBODY)
        if row is None or not right or row.disabled:
            with self._journal.write() as connection:
                told: dict[str, object] = {"address": address[:80]}
                audit.append(connection, name[:64], "sign-in.failed", name[:64], detail=told)
            raise DeniedError("User name and password do not match.", "Mind upper and lower case.")
        with self._journal.write() as connection:
            lockout.forgive(connection, attempt, row.name)
        return row

    def sign_in(self, name: str, password: str, address: str) -> Ticket:
        """Check a password, and give a ticket for it.

        Raises:
            DeniedError: Wrong, disabled, or locked; the message does not tell which account exists.
        """
        person = self._account(name, password, address)
        return self._ticket(person, {"address": address[:80]})

    def vouched(self, identity: Identity, address: str) -> Ticket | None:
        """Give a ticket to a person for whom a configured identity provider vouches.

        None when the identity was used already or is old: then it says nothing any more.

        Raises:
            DeniedError: There is no such account here, or it is disabled, or it is not theirs.
        """
        if not spend(self._journal, identity):
            return None
        told: dict[str, object] = {"address": address[:80], "by": "identity provider"}
        try:
            row = account(self._journal, identity)
        except DeniedError:
            with self._journal.write() as connection:
                name = identity.shown
                audit.append(connection, name, "sign-in.failed", name, detail=told)
            raise
        return self._ticket(row, told)

    def _ticket(self, person: Row, told: dict[str, object]) -> Ticket:  # type: ignore[type-arg]  # of users
        ticket = secrets.token_urlsafe(32)
        with self._journal.write() as connection:
            connection.execute(
                schema.sessions.insert().values(
                    id_hash=_hash(secrets.token_urlsafe(32)),
                    user=person.name,
                    epoch=person.epoch,  # a password changed since then ends this too
                    ticket_hash=_hash(ticket),
                    created_ms=now_ms(),
                    expires_ms=now_ms() + _TICKET_S * 1000,
                    address=str(told["address"]),
                )
            )
            audit.append(connection, person.name, "sign-in", person.name, detail=told)
        return Ticket(ticket)

    def redeem(self, ticket: str) -> str:
        """Trade a ticket for the value of the session cookie.

        Raises:
            DeniedError: It was used, is older than a minute, or never was.
        """
        table = schema.sessions
        cookie, at = secrets.token_urlsafe(32), now_ms()
        with self._journal.write() as connection:
            connection.execute(delete(table).where(table.c.expires_ms < at))
            traded = connection.execute(
                update(table)
                .where(table.c.ticket_hash == _hash(ticket))
                .values(id_hash=_hash(cookie), ticket_hash=None, expires_ms=at + self._session_ms)
            )
        if traded.rowcount != 1:
            raise DeniedError("This sign-in has expired or was used.", "Sign in again.")
        return cookie

    def who(self, cookie: str) -> User | None:
        """Return the person behind a cookie at this moment; None when it is not valid any more."""
        sessions, users = schema.sessions, schema.users
        query = (
            select(users, sessions.c.expires_ms, sessions.c.created_ms.label("begun_ms"))
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
        if row is None:
            return None
        self._prolong(cookie, row.begun_ms, row.expires_ms)
        return store.user_of(row)

    def _prolong(self, cookie: str, begun_ms: int, expires_ms: int) -> None:
        at = now_ms()
        if expires_ms - at > _PROLONG_AT * self._session_ms:
            return
        until = min(at + self._session_ms, begun_ms + _LONGEST_SESSION * self._session_ms)
        if until <= expires_ms:
            return
        table = schema.sessions
        # A full disk must not sign people out: the session is good until it ends anyway.
        with contextlib.suppress(JournalError), self._journal.write() as connection:
            mine = table.c.id_hash == _hash(cookie)
            connection.execute(update(table).where(mine).values(expires_ms=until))

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
        attempt = lockout.begin(self._journal, person.name, "")
        users, sessions = schema.users, schema.sessions
        with self._journal.read() as connection:
            row = connection.execute(select(users).where(users.c.name == person.name)).one()
        if not _matches(old, row.password_hash.encode()):
            with self._journal.write() as connection:
                audit.append(connection, person.name, "password.refused", person.name)
            raise DeniedError("The present password is wrong.")
        with self._journal.write() as connection:
            lockout.forgive(connection, attempt, person.name)
        if old == new:
            raise InputError("The new password is the old one.")
        hashed = store.password_hash(person.name, new)
        mine = sessions.c.id_hash == _hash(cookie)
        with self._journal.write() as connection:
            # The epoch ends sign-ins under way with the old password, too.
            connection.execute(
                update(users)
                .where(users.c.name == person.name)
                .values(password_hash=hashed, epoch=row.epoch + 1)
            )
            connection.execute(delete(sessions).where(sessions.c.user == person.name, ~mine))
            connection.execute(update(sessions).where(mine).values(epoch=row.epoch + 1))
            audit.append(connection, person.name, "password.changed", person.name)

    def sessions(self) -> tuple[Session, ...]:
        """Return who is signed in, newest first."""
        table = schema.sessions
        query = select(table).where(table.c.ticket_hash.is_(None), table.c.expires_ms > now_ms())
        with self._journal.read() as connection:
            rows = connection.execute(query.order_by(table.c.created_ms.desc()))
            return tuple(Session(r.user, r.created_ms, r.expires_ms, r.address) for r in rows)


def ensure_admin(journal: Journal) -> str | None:
    """Make the user ``admin`` when there is no user at all; return the password, once."""
    if store.everyone(journal):
        return None
    password = secrets.token_urlsafe(15)
    hashed = store.password_hash("admin", password)
    with journal.write() as connection:
        database.lock(connection, schema.users.name)
        if connection.execute(select(schema.users.c.name)).first() is not None:
            return None  # another process was faster
        store.insert_into(connection, "admin", hashed, "admin", None)
        audit.append(connection, "platform", "user.first-admin", "admin")
    return password


def _matches(password: str, hashed: bytes) -> bool:
    """Compare, always at the cost of a hash; bcrypt reads 72 bytes, and we set none longer."""
    return bcrypt.checkpw(password.encode(errors="replace")[:72], hashed)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()
