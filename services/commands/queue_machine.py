"""``mlops queue --machine``: what a machine offers to jobs, and saying what it is to offer."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.commands.output import moment, print_json, say

if TYPE_CHECKING:
    from services.actions.machine_room import Standing

_MEASURED = {"measured", "none"}


def show(host: str, *, as_json: bool) -> None:
    """Print what a machine offers now, and what it would offer as measured.

    Raises:
        NotFoundError: The queue knows no such machine.
    """
    from services.actions.machine_room import standing
    from services.commands.acting import context

    now = standing(context(), host)
    if as_json:
        print_json(shape(now))
        return
    for line in _lines(now):
        say(line)


def change(
    host: str, slots: str | None, memory_gb: str | None, power_w: str | None, *, as_measured: bool
) -> None:
    """Say what a machine offers; what is not named stays as it was said before.

    Raises:
        InputError: A figure is none, or the machine has less.
        NotFoundError: The queue knows no such machine.
    """
    from services.actions.machine_offer import OfferMachine, merged
    from services.commands.acting import act, context
    from services.errors import InputError

    figures = {
        "slots": (slots, "--slots"),
        "memory_gb": (memory_gb, "--memory-gb"),
        "power_w": (power_w, "--power-w"),
    }
    named = {name: _figure(*said) for name, said in figures.items() if said[0] is not None}
    if as_measured and named:
        raise InputError("--as-measured takes all figures away.", "Leave it out, or the figures.")
    asked = context()
    action = OfferMachine(host) if as_measured else merged(asked.offers.of(host), host, **named)
    for sentence in action.consequences(asked):
        say(sentence)
    act(action)


def _figure(said: str | None, option: str) -> float | int | None:
    """Return a figure as it was typed, None where the measured one is wanted.

    Raises:
        InputError: It is no number.
    """
    from services.errors import InputError

    if said is None or said.strip().lower() in _MEASURED:
        return None
    try:
        return int(said) if option == "--slots" else float(said)
    except ValueError as error:
        what = "a whole number" if option == "--slots" else "a number"
        raise InputError(
            f"{option} is {said[:20]!r}; it takes {what}, or the word measured."
        ) from error


def shape(now: "Standing") -> dict[str, object]:
    """Return a machine's offer in the documented JSON shape."""
    offer = now.offer
    return {
        "host": now.host,
        "slots": now.present.gpu_slots,
        "memory_bytes": now.present.memory_bytes,
        "power_w": now.present.power_w,
        "measured_slots": now.measured.gpu_slots,
        "measured_memory_bytes": now.measured.memory_bytes,
        "total_bytes": now.measured.total_bytes,
        "given_by": offer.by if offer else None,
        "given_at": datetime.fromtimestamp(offer.at, UTC) if offer else None,
        "takes_no_job": now.absent or None,
    }


def _lines(now: "Standing") -> list[str]:
    from services.resources.models import gib

    own = now.measured
    memory = (
        "of its memory nobody knows how much it has"
        if own.memory_bytes is None
        else f"{gib(own.memory_bytes)} of memory ({own.said})"
    )
    lines = [f"As measured {now.host} offers one heavy job at a time and {memory}."]
    if now.offer is not None:
        at = moment(datetime.fromtimestamp(now.offer.at, UTC))
        lines = [f"{now.present.given} ({now.offer.by}, {at})", *lines]
    if now.absent:
        lines.append(f"It takes no job now: {now.absent}.")
    return lines
