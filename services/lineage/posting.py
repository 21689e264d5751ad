"""Posts events to a receiver, in a process of its own (``python -m services.lineage``)."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from services.alerting import guarded
from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError
from services.lineage.openlineage import Event

if TYPE_CHECKING:
    from subprocess import CompletedProcess

TIMEOUT_S = 60.0
NAME = "The OpenLineage receiver"
_WHY_LIMIT = 300

Post = Callable[[Sequence[Event], str], None]
"""(events, address): posts each, or raises why one did not arrive."""


def post(
    events: Sequence[Event], to: str, *, private: bool = False, timeout_s: float = TIMEOUT_S
) -> None:
    """Post events one after another.

    Args:
        events: In their order.
        to: ``http://`` or ``https://`` address.
        private: Whether it may be one of a private network or of this machine.
        timeout_s: After which the sending of all of them is ended.

    Raises:
        EngineRefusedError: It says no, or its address may not be reached from here.
        EngineUnreachableError: It hangs or is away.
        EngineProtocolError: The process that posts cannot be understood.
    """
    if not events:
        return
    asked = orjson.dumps({"to": to, "private": private, "events": list(events)})
    late = EngineUnreachableError(
        f"{NAME} did not take {len(events):,} events within {timeout_s:g} s.",
        "They are sent again by themselves.",
    )
    _check(guarded.ask("services.lineage", asked, timeout_s, late), to)


def _check(done: "CompletedProcess[bytes]", to: str) -> None:
    said: dict[str, object] = {}
    with contextlib.suppress(orjson.JSONDecodeError):  # it was ended while it answered
        said = orjson.loads(done.stdout)
    if said.get("ok"):
        return
    why = str(said.get("why", ""))[:_WHY_LIMIT].replace(to, "…")
    if not why:
        last = guarded.last_words(done)[:_WHY_LIMIT]
        raise EngineProtocolError(
            f"The process that sends to {host(to)} ended with {done.returncode}: {last}.",
            "They are sent again by themselves.",
        )
    if said.get("blocked"):
        raise EngineRefusedError(
            f"Nothing was sent to {host(to)}: {why}.",
            "If it is an address of your own network, set MLOPS_OPENLINEAGE_PRIVATE=true.",
        )
    if said.get("status"):
        raise EngineRefusedError(
            f"{NAME} at {host(to)} refused an event: {why}.",
            "They are sent again by themselves; see its log, and MLOPS_OPENLINEAGE_TO.",
            status=int(str(said["status"])),
        )
    raise EngineUnreachableError(
        f"{NAME} at {host(to)} cannot be reached: {why}.", "They are sent again by themselves."
    )


def host(to: str) -> str:
    """Return the host of an address, without what may be secret in it."""
    try:
        return urlsplit(to).hostname or "the address"
    except ValueError:
        return "the address"
