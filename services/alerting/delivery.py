"""Sends one notification, in a process of its own, within seconds: by Apprise or as a webhook."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import unquote

from services.alerting import guarded
from services.alerting.models import Channel, Message
from services.errors import (
    EngineMissingError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
)

if TYPE_CHECKING:
    from subprocess import CompletedProcess

TIMEOUT_S = 10.0
WEBHOOK = "webhook"
"""The service of a web address that is of no service Apprise knows."""
_SECRET_AT_LEAST = 4
_WHY_LIMIT = 300

Send = Callable[[Channel, str, Message], None]
"""(channel, address, message): sends, or raises why it did not arrive."""


def deliver(channel: Channel, address: str, message: Message, timeout_s: float = TIMEOUT_S) -> None:
    """Send a message to a channel.

    Args:
        channel: Where to.
        address: Its secret address.
        message: What.
        timeout_s: After which the sending is ended.

    Raises:
        EngineMissingError: Apprise is not installed.
        EngineRefusedError: The address may not be reached from here, or is none: trying again is
            of no use.
        EngineUnreachableError: It did not arrive: the service hangs, is away, or said no.
    """
    said = _asked(channel.private, address, message, timeout_s, send=True)
    if said["ok"]:
        return
    why = said["why"]
    if said["blocked"]:
        raise EngineRefusedError(
            f"Nothing was sent to {channel.name}: {why}.",
            "If the address is one of your own network, add the channel with --private.",
        )
    raise EngineUnreachableError(
        f"{channel.name} did not take it: {why}.", f"`mlops alerts test {channel.name}` tries it."
    )


def service_of(address: str) -> str:
    """Return the service of an address, as Apprise names it or ``WEBHOOK``; nothing is sent.

    Raises:
        EngineMissingError: Apprise is not installed.
        InputError: It is no address of a service.
    """
    message = Message(0, "", "test", "info", "", "", (), 0.0)
    said = _asked(False, address, message, TIMEOUT_S, send=False)  # noqa: FBT003 - the process's own word
    if not said["ok"]:
        raise InputError(
            f"That is no address of a service: {said['why']}.",
            "Give one as Apprise writes it, e.g. slack://…, mailtos://USER:PASSWORD@HOST, or the "
            "https:// address of a webhook.",
        )
    return str(said["service"])


def told(why: str, address: str) -> str:
    """Return a reason without anything of the secret address beside its host."""
    text = why.replace(address, "…")
    _, _, rest = address.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2].partition(":")[0]
    secrets = re.split(r"[/?&=#:@]", rest)
    for secret in sorted({*secrets, *map(unquote, secrets)}, key=len, reverse=True):
        if len(secret) >= _SECRET_AT_LEAST and secret != host:
            text = text.replace(secret, "…")
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _WHY_LIMIT else f"{line[:_WHY_LIMIT]}…"


def _asked(
    private: bool,  # noqa: FBT001 - the process's own word
    address: str,
    message: Message,
    timeout_s: float,
    *,
    send: bool,
) -> dict[str, object]:
    severity = "resolved" if message.what == "resolved" else message.severity
    asked = {
        "address": address, "title": message.title, "body": message.body, "severity": severity,
        "private": private, "send": send,
        "post": None if message.post is None else asdict(message.post),
    }  # fmt: skip
    late = EngineUnreachableError(
        f"The service of the channel did not answer within {timeout_s:g} s.",
        "It is tried again by itself.",
    )
    said = json.dumps(asked).encode()
    return _read(guarded.ask("services.alerting", said, timeout_s, late), address)


def _read(done: "CompletedProcess[bytes]", address: str) -> dict[str, object]:
    with contextlib.suppress(ValueError):  # it was ended while it answered
        if done.returncode == 0:
            answer: dict[str, object] = json.loads(done.stdout)
            return answer
    last = guarded.last_words(done)
    if "ModuleNotFoundError" in last:
        raise EngineMissingError(
            f"Apprise is not installed, or a part of it: {told(last, address)}.",
            "`mlops up` builds the environment.",
        )
    raise EngineUnreachableError(
        f"The process that sends ended with {done.returncode}: {told(last, address)}.",
        "It is tried again by itself.",
    )
