"""A person for whom an identity provider vouches: an address, once, soon after signing in there.

What the provider said stays in a signed cookie of Streamlit's for weeks. It must sign nobody in
again after they signed out, so each sign-in at the provider counts once, and for minutes.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Row, func, select

from services.actions import audit, database, schema
from services.actions.journal import Journal, now_ms
from services.errors import DeniedError

_FRESH_S = 600
_CLOCKS_DIFFER_S = 120
"""The two together stay below the time after which the journal forgets what was used."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the provider says of a person."""

    address: str
    """The e-mail address, empty when the provider gave none."""
    verified: bool
    """Whether the provider knows that the address is the person's."""
    sign_in: str
    """What tells this sign-in at the provider from every other."""
    issued_s: float

    @property
    def shown(self) -> str:
        """The address as messages and the audit show it."""
        return audit.clean(self.address)[:64] or "unknown"


def spend(journal: Journal, identity: Identity) -> bool:
    """Return whether the identity is fresh and was never used; from now on it was."""
    at, table = now_ms(), schema.failures
    age_s = at / 1000 - identity.issued_s
    if not -_CLOCKS_DIFFER_S <= age_s <= _FRESH_S:
        return False
    # Beside the failures: what is in there outlives a restart, and is forgotten in time.
    subject = f"identity:{hashlib.sha256(identity.sign_in.encode(errors='replace')).hexdigest()}"
    with journal.write() as connection:
        database.lock(connection, table.name)
        query = select(table.c.id).where(table.c.subject == subject)
        if connection.execute(query).first() is not None:
            return False
        connection.execute(table.insert().values(subject=subject, at_ms=at))
    return True


def account(journal: Journal, identity: Identity) -> Row:  # type: ignore[type-arg]  # of users
    """Return the account whose name is the address; upper and lower case are one.

    Raises:
        DeniedError: There is none, it is disabled, or the address is not known to be the person's.
    """
    if not identity.address:
        raise DeniedError(
            "The identity provider gave no e-mail address, so no account can be found.",
            "Its administrator lets it give `email` and `email_verified` to this dashboard.",
        )
    if not identity.verified:
        raise DeniedError(
            f"The identity provider has not verified that {identity.shown} is yours.",
            "Verify the address there, then sign in again.",
        )
    row = _row(journal, audit.clean(identity.address))
    if row is None:
        raise DeniedError(
            f"{identity.shown} has no account here.",
            "Ask an admin for one: its name is the very address the identity provider gives.",
        )
    if row.disabled:
        raise DeniedError(
            f"The account {row.name} is disabled here.", "An admin can enable it on the Admin page."
        )
    return row


def _row(journal: Journal, name: str) -> Row | None:  # type: ignore[type-arg]  # of users
    if not name.isascii():  # names are; and beyond ASCII two addresses may fold into one
        return None
    table = schema.users
    with journal.read() as connection:
        query = select(table).where(func.lower(table.c.name) == name.lower())
        return connection.execute(query).first()
