"""Channels: what everybody may know of them lies in the journal, their addresses in ``secrets``.

An address holds passwords and tokens. Whoever adds a channel puts it into a file of its own first,
and hands on the name of the file alone.
"""

import contextlib
import json
import os
import re
import secrets
import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import store
from services.alerting.models import EVERY_DAY, Channel, Event, Quiet
from services.errors import InputError, NotFoundError, PlatformError
from services.home import Home

_CHANNELS = schema.alert_channels
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_REFERENCE = re.compile(r"[0-9a-f]{16}")
_ADDRESS_LIMIT = 4000
_SECRET_BYTES = 32


def check_name(name: str) -> None:
    """Refuse a name that is none.

    Raises:
        InputError: It is not.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} is no name of a channel.",
            "It is a lower-case letter, then up to 39 lower-case letters, digits or hyphens.",
        )


def new_secret() -> str:
    """Return what the messages to a webhook are signed with."""
    return secrets.token_hex(_SECRET_BYTES)


def keep_address(home: Home, address: str, secret: str = "") -> str:
    """Put an address among the secrets, readable by its owner alone; return its reference.

    Args:
        home: Where the secrets lie.
        address: One line.
        secret: What messages to it are signed with; empty: they are not.

    Raises:
        InputError: It is empty, too long, or several lines.
        PlatformError: The folder cannot be written.
    """
    address = address.strip()
    if not 0 < len(address) <= _ADDRESS_LIMIT or not address.isprintable():
        raise InputError(
            f"A channel's address is one line of 1 to {_ADDRESS_LIMIT} characters.",
            "For example the https:// address of a webhook.",
        )
    reference = secrets.token_hex(8)
    path = home.secrets / _file(reference)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{address}\n{secret}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise PlatformError(
            f"The address could not be kept in {path.parent}: {error.strerror or error}.",
            "See who owns the folder, and that the disk is not full.",
        ) from error
    return reference


def address(home: Home, channel: Channel) -> str:
    """Return the secret address of a channel.

    Raises:
        PlatformError: It is not there any more.
    """
    return _read(home, channel.reference, channel.name)[0]


def secret(home: Home, channel: Channel) -> str:
    """Return what messages to a channel are signed with, empty when they are not.

    Raises:
        PlatformError: It is not there any more.
    """
    return _read(home, channel.reference, channel.name)[1]


def check_reference(home: Home, reference: str, name: str) -> None:
    """Refuse a channel whose address was not kept.

    Raises:
        InputError: The reference is none.
        PlatformError: Its file is not there.
    """
    if not _REFERENCE.fullmatch(reference):
        raise InputError("That is no reference to an address.", "`mlops alerts channels add NAME`")
    _read(home, reference, name)


def forget_address(home: Home, reference: str) -> None:
    """Remove an address that nothing uses any more; what is gone already is gone."""
    if _REFERENCE.fullmatch(reference):
        with contextlib.suppress(OSError):
            (home.secrets / _file(reference)).unlink()


def are_kept(home: Home) -> bool:
    """Return whether there is any channel, without the journal."""
    return any(home.secrets.glob(_file("*")))


def _file(reference: str) -> str:
    return f"alert-channel-{reference}.address"


def _read(home: Home, reference: str, name: str) -> tuple[str, str]:
    path = home.secrets / _file(reference)
    try:
        kept, _, signs = path.read_text(encoding="utf-8").partition("\n")
        return kept.strip(), signs.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(
            f"The address of the channel {name} cannot be read.",
            f"Add it again: `mlops alerts channels add {name}`.",
        ) from error


# The journal


def put(journal: Journal, channel: Channel) -> Channel | None:
    """Keep a channel; return the one of the same name before.

    That its messages do not arrive is known of it until one arrives: that ends the alert.

    Raises:
        JournalError: The journal cannot be written.
    """
    body = asdict(channel)
    for name in ("name", "trouble", "failures"):
        del body[name]
    values = {"body": json.dumps(body)}
    mine = _CHANNELS.c.name == channel.name
    with journal.write() as connection:
        row = connection.execute(select(_CHANNELS).where(mine)).first()
        if row is None:
            connection.execute(insert(_CHANNELS).values(name=channel.name, **values))
            return None
        connection.execute(update(_CHANNELS).where(mine).values(**values))
    return channel_of(row)


def remove(journal: Journal, name: str) -> Channel | None:
    """Take a channel away with what waits for it; return it, None when there was none.

    An alert that its messages do not arrive ends with it.

    Raises:
        JournalError: The journal cannot be written.
    """
    mine = _CHANNELS.c.name == name
    waiting = schema.alert_messages.c.state.in_(("waiting", "sending"))
    with journal.write() as connection:
        row = connection.execute(select(_CHANNELS).where(mine)).first()
        connection.execute(delete(_CHANNELS).where(mine))
        lost = update(schema.alert_messages).where(schema.alert_messages.c.channel == name, waiting)
        connection.execute(lost.values(state="failed", error="The channel was removed."))
        if row is not None and row.failures:
            over = Event(f"channel/{name}", time.time(), "ok", said="The channel was removed.")
            store.put(connection, [over])
    return None if row is None else channel_of(row)


def channels(journal: Journal) -> tuple[Channel, ...]:
    """Return all channels, by name.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        rows = connection.execute(select(_CHANNELS).order_by(_CHANNELS.c.name)).all()
    return tuple(channel_of(row) for row in rows)


def channel(journal: Journal, name: str) -> Channel:
    """Return one channel.

    Raises:
        NotFoundError: There is none of this name.
        JournalError: The journal cannot be read.
    """
    for one in channels(journal):
        if one.name == name:
            return one
    raise NotFoundError(
        f"There is no channel {name[:40]!r}.", "`mlops alerts channels` lists those there are."
    )


def channel_of(row: Row[Any]) -> Channel:
    """Return a channel from its row."""
    body = json.loads(row.body)
    for name in ("projects", "kinds"):
        if body.get(name) is not None:
            body[name] = tuple(body[name])
    if body["quiet"] is not None:
        days = tuple(body["quiet"].pop("days", EVERY_DAY))
        body["quiet"] = Quiet(**body["quiet"], days=days)
    return Channel(name=row.name, **body, trouble=row.trouble, failures=row.failures)
