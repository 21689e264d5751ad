"""Sends one notification through Apprise, in a process of its own, within seconds."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from services.alerting.models import Channel, Message
from services.errors import (
    EngineMissingError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
)

TIMEOUT_S = 10.0
_KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")
"""Of the environment; neither proxies, which would see no guard, nor secrets."""
_SECRET_AT_LEAST = 4
_WHY_LIMIT = 300
_ROOT = Path(__file__).resolve().parents[2]

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
    """Return the service of an address, as Apprise names it; nothing is sent.

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
    }  # fmt: skip
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(_ROOT), environment.get("PYTHONPATH", "")) if part
    )
    try:
        done = subprocess.run(  # the address goes over its input: arguments can be seen by others
            [sys.executable, "-P", "-m", "services.alerting"],
            input=json.dumps(asked), capture_output=True, text=True, errors="replace",
            timeout=timeout_s, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EngineUnreachableError(
            f"The service of the channel did not answer within {timeout_s:g} s.",
            "It is tried again by itself.",
        ) from error
    except OSError as error:
        raise EngineUnreachableError(
            f"No process to send with could be started: {error.strerror or error}.",
            "See that memory and processes are left on this machine.",
        ) from error
    return _read(done, address)


def _read(done: "subprocess.CompletedProcess[str]", address: str) -> dict[str, object]:
    with contextlib.suppress(ValueError):  # it was ended while it answered
        if done.returncode == 0:
            answer: dict[str, object] = json.loads(done.stdout)
            return answer
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if "ModuleNotFoundError" in last:
        raise EngineMissingError(
            f"Apprise is not installed, or a part of it: {told(last, address)}.",
            "`mlops up` builds the environment.",
        )
    raise EngineUnreachableError(
        f"The process that sends ended with {done.returncode}: {told(last, address)}.",
        "It is tried again by itself.",
    )
