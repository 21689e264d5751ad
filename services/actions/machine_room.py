"""What a machine offers to jobs now, and which waiting jobs would fit another offer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.actions import launch_outlook
from services.actions.action import Context
from services.errors import NotFoundError
from services.mirror.workflow_queries import Workflows
from services.resources.capacity import measured, ruled
from services.resources.ledger import Ledger
from services.resources.models import Capacity, Needs, Never, gib
from services.resources.offers import Offer

_FEW = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """One machine as it stands."""

    host: str
    here: bool
    """Whether it runs the platform."""
    measured: Capacity
    """What it offers when nobody says otherwise."""
    offer: Offer | None
    """What an administrator said; None: nothing."""
    held_bytes: int = 0
    """What jobs and endpoints were promised."""
    held_slots: int = 0
    absent: str = ""
    """Why it takes no job now; empty when it does."""

    @property
    def present(self) -> Capacity:
        """What it offers now."""
        return ruled(self.measured, self.offer.rule if self.offer else None)


def standings(context: Context) -> tuple[Standing, ...]:
    """Return all machines as the queue decided over them last.

    Before the first decision they are those that telemetry knows.

    Raises:
        PlatformError: The mirror or the offers cannot be read.
    """
    offers = {one.host: one for one in context.offers.read()}
    decided = Workflows(context.mirror).queue()
    if decided is None:
        here = launch_outlook.here()
        return tuple(
            Standing(
                one.host,
                one.host == here,
                measured(one.host, one.total_bytes, platform=one.host == here),
                offers.get(one.host),
                absent=one.absent,
            )
            for one in launch_outlook.machines(context)
        )
    return tuple(_standing(one, offers) for one in decided.hosts)


def standing(context: Context, host: str) -> Standing:
    """Return one machine; one that left, but was given an offer, still has it.

    Raises:
        NotFoundError: The queue knows none of that name; the hint names those it knows.
        PlatformError: The mirror or the offers cannot be read.
    """
    found = standings(context)
    for one in found:
        if one.host == host:
            return one
    offer = context.offers.of(host)
    if offer is not None:
        gone = "the queue does not know it any more"
        return Standing(host, here=False, measured=Capacity(host, None), offer=offer, absent=gone)
    names = ", ".join(one.host for one in found) or "none yet"
    raise NotFoundError(
        f"The queue knows no machine {host[:80]!r}.",
        f"It knows: {names}. One is there once it sent telemetry or its worker has joined.",
    )


def fitting(context: Context, changed: Capacity) -> Iterator[str]:
    """Yield how many waiting jobs fit no machine any more, or fit one for the first time.

    Args:
        context: Where the queue is.
        changed: The machine as it would be.
    """
    decided = Workflows(context.mirror).queue()
    if decided is None:
        return
    before = Ledger(tuple(_capacity(one) for one in decided.hosts))
    after = Ledger(
        tuple(replace(changed, absent="") if h.host == changed.host else h for h in before.hosts)
    )
    lost, won = [], []
    for one in decided.asks:
        fits_now, would_fit = _fits(before, one), _fits(after, one)
        if fits_now and not would_fit:
            lost.append(one)
        if would_fit and not fits_now:
            won.append(one)
    if lost:
        yield f"{_jobs(lost)} would never start: no machine would fit. {_named(lost)}"
    if won:
        yield f"{_jobs(won)} that no machine fits now would fit. {_named(won)}"


def _fits(ledger: Ledger, asked: Mapping[str, Any]) -> bool:
    needs = Needs(int(asked["memory_bytes"]), int(asked["gpu_slots"]), asked["power_w"])
    return not isinstance(ledger.admit(needs, frozenset(asked["hosts"])), Never)


def _jobs(asks: Iterable[Mapping[str, Any]]) -> str:
    count = sum(int(one["jobs"]) for one in asks)
    return "1 waiting job" if count == 1 else f"{count} waiting jobs"


def _named(asks: list[Mapping[str, Any]]) -> str:
    names = [f"{one['what']} needs {gib(int(one['memory_bytes']))}" for one in asks[:_FEW]]
    more = len(asks) - len(names)
    return "; ".join([*names, *([f"and {more} more kinds"] if more else [])]) + "."


def _standing(said: Mapping[str, Any], offers: Mapping[str, Offer]) -> Standing:
    host, here = str(said["host"]), bool(said.get("here"))
    memory, free = said.get("memory_bytes"), said.get("free_bytes")
    return Standing(
        host,
        here,
        measured(host, said.get("total_bytes"), platform=here),
        offers.get(host),
        0 if memory is None or free is None else int(memory) - int(free),
        int(said.get("gpu_slots") or 0) - int(said.get("free_slots") or 0),
        str(said.get("absent") or ""),
    )


def _capacity(said: Mapping[str, Any]) -> Capacity:
    return Capacity(
        str(said["host"]),
        said.get("memory_bytes"),
        int(said.get("gpu_slots") or 0),
        said.get("power_w"),
        said.get("total_bytes"),
    )
