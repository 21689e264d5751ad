"""Whether a deployment fits before it starts: by how much it does not, and what would make room.

Pure: it answers from the ledger, the endpoints that are loaded, and what models were measured to
take. ``mlops plan``, the deploy dialog and the refusal before a start all ask here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.resources.ledger import Ledger
from services.resources.models import Capacity, Fits, Lease, Needs, Never, gib
from services.serving import backends, eviction
from services.serving.backends import Choice, Machine
from services.serving.estimating import Estimate, by_person, estimate, formula, half_bytes_of
from services.serving.eviction import Candidate
from services.serving.measured import Base, KnownError, Measurement, known_error
from services.serving.models import Backend, BundleInfo

__all__ = [
    "Estimate", "Outlook", "Plan", "Wish", "by_person", "estimate", "formula", "half_bytes_of",
    "lease_id", "needs", "outlook", "plan",
]  # fmt: skip

_FEW_NAMED = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be loaded."""

    name: str
    """Of the endpoint."""
    project: str
    version: int
    estimate: Estimate
    """Of one replica."""
    replicas: int = 1
    host: str | None = None
    """The machine it must be on; None: any."""

    @property
    def needs_bytes(self) -> int:
        """Return what all replicas reserve."""
        return self.estimate.reserve_bytes * max(1, self.replicas)


@dataclass(frozen=True, slots=True)
class Plan:
    """Whether it can be loaded now."""

    fits: bool
    said: str
    """Why, as a sentence."""
    needs_bytes: int
    free_bytes: int | None
    """What the best machine can still promise; None: nobody knows."""
    short_bytes: int = 0
    """By how much it does not fit; 0 when it does, or when that is no amount of memory."""
    would_make_room: tuple[str, ...] = ()
    """What a person could do, a sentence each; the first is the least that is enough."""
    host: str = ""
    never: bool = False
    """It fits no machine, however empty."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything a page or a command shows before a deployment."""

    estimate: Estimate
    choice: Choice
    plan: Plan
    possible: tuple[Backend, ...]
    """What it could compute on there, best first."""
    known: KnownError | None
    """How far earlier estimates were off."""
    evictable: tuple[eviction.Ranked, ...]
    """All loaded endpoints in the order in which they would go, the pinned ones last."""

    @property
    def error_said(self) -> str:
        """Return how good the estimate is, as a sentence."""
        if self.estimate.source == "person":
            return "It is what a person gave, not an estimate."
        if self.estimate.source == "measured":
            return "It was measured, so it is no estimate."
        if self.known is None:
            return "No estimate was held against a measured peak here yet."
        return self.known.said


def lease_id(name: str, version: int) -> str:
    """Return the id under which the ledger knows an endpoint's version."""
    return f"deployment:{name}:{version}"


def needs(wish: Wish) -> Needs:
    """Return what the ledger is asked for: memory alone, a served model takes no heavy slot."""
    each = f"{gib(wish.estimate.reserve_bytes)} a replica"
    said = f"{gib(wish.needs_bytes)} for {_replicas(wish.replicas)} ({each})"
    return Needs(wish.needs_bytes, gpu_slots=0, said=said)


def plan(
    wish: Wish,
    ledger: Ledger,
    others: Sequence[Candidate] = (),
    now: float | None = None,
    most_bytes: int | None = None,
) -> Plan:
    """Return whether it can be loaded now; the version's own lease is not held against it.

    Args:
        wish: What is to be loaded.
        ledger: The machines with all leases.
        others: Endpoints that are loaded, on the machine it is to go to.
        now: Seconds since 1970; None: when the newest of ``others`` was asked.
        most_bytes: What all endpoints together may have (``serving_memory_gb``); None: as much as
            there is.
    """
    own = ledger.without([lease_id(wish.name, wish.version)])
    rest = [one for one in others if (one.name, one.version) != (wish.name, wish.version)]
    found = _by_ledger(wish, own, rest, now)
    if most_bytes is None or not found.host:
        return found
    held = [one.needs.memory_bytes for one in own.on(found.host) if one.kind == "serving"]
    return _bounded(found, wish, _Limit(most_bytes, sum(held)), rest, now)


def _by_ledger(wish: Wish, own: Ledger, rest: Sequence[Candidate], now: float | None) -> Plan:
    asked = needs(wish)
    among = None if wish.host is None else {wish.host}
    answer = own.admit(asked, among)
    host = _host(own, wish, getattr(answer, "host", ""))
    free = None if host is None or host.memory_bytes is None else _free(own, host)
    where = "" if host is None else host.host
    if isinstance(answer, Fits):
        return Plan(
            fits=True, said=answer.said, needs_bytes=wish.needs_bytes, free_bytes=free, host=where
        )
    short = int(answer.missing) if answer.short in {"memory", "others"} else 0
    never = isinstance(answer, Never)
    ways = () if host is None else tuple(_ways(wish, own, host, rest, short, now, never=never))
    return Plan(
        fits=False,
        said=answer.said,
        needs_bytes=wish.needs_bytes,
        free_bytes=free,
        short_bytes=short,
        would_make_room=ways,
        host=where,
        never=never,
    )


def outlook(
    info: BundleInfo,
    *,
    machine: Machine,
    ledger: Ledger,
    measurements: Sequence[Measurement],
    others: Sequence[Candidate] = (),
    replicas: int = 1,
    max_batch: int = 32,
    override: Backend | None = None,
    memory_bytes: int | None = None,
    base: Callable[[Backend], Base | None] = lambda _backend: None,
    half_bytes: int | None = None,
    torch: bool | None = None,
    host: str | None = None,
    now: float | None = None,
    most_bytes: int | None = None,
) -> Outlook:
    """Return everything that is to be known before a version is deployed.

    Args:
        info: The version.
        machine: Where it is to run.
        ledger: The machines with all leases.
        measurements: All of this installation.
        others: Endpoints that are loaded.
        replicas: How many are to be started.
        max_batch: Rows that are asked together at most.
        override: The backend a person asks for.
        memory_bytes: What a person gives one replica; None: what is estimated.
        base: What a server of this project takes on a backend before it loads a model; None: not
            measured.
        half_bytes: How many of the weights' bytes are in half precision; None: not known.
        torch: Whether it can run on PyTorch there (``backends.has_torch``); None: not known.
        host: The machine, as the ledger names it; None: any.
        now: Seconds since 1970.
        most_bytes: What all endpoints together may have; None: as much as there is.

    Raises:
        InputError: The backend asked for cannot be.
    """

    def on(backend: Backend) -> Estimate:
        return estimate(
            info, info.weights_bytes, backend, max_batch, measurements,
            base=base(backend), half_bytes=half_bytes,
        )  # fmt: skip

    able = backends.possible(info, machine, torch=bool(torch))
    best: Backend = override or (able[0] if able else "cpu")
    choice = backends.choose(info, machine, on(best).reserve_bytes, override, torch=torch)
    one = on(choice.backend) if memory_bytes is None else by_person(memory_bytes)
    wish = Wish(f"{info.project}.{info.model}", info.project, info.version, one, replicas, host)
    return Outlook(
        estimate=one,
        choice=choice,
        plan=plan(wish, ledger, others, now, most_bytes),
        possible=able,
        known=known_error(measurements),
        evictable=eviction.ranked(others, now),
    )


# What all endpoints together may have


@dataclass(frozen=True, slots=True)
class _Limit:
    """What ``serving_memory_gb`` leaves of one machine."""

    most_bytes: int
    held_bytes: int
    """By other endpoints, and other versions of this one."""

    @property
    def left_bytes(self) -> int:
        return max(0, self.most_bytes - self.held_bytes)

    def said(self, missing: int) -> str:
        return (
            f"It lacks {gib(missing)}: endpoints may have {gib(self.most_bytes)} together "
            f"(serving_memory_gb), and others hold {gib(self.held_bytes)}."
        )


def _bounded(
    found: Plan, wish: Wish, limit: _Limit, rest: Sequence[Candidate], now: float | None
) -> Plan:
    """Return a plan of the ledger with what all endpoints together may have besides."""
    free = None if found.free_bytes is None else min(found.free_bytes, limit.left_bytes)
    over = wish.needs_bytes - limit.left_bytes
    if over <= 0:
        return replace(found, free_bytes=free)
    said = limit.said(over)
    ways = found.would_make_room
    if over > found.short_bytes:
        ways = tuple(_within(wish, limit, rest, over, now))
    return replace(
        found,
        fits=False,
        said=said if found.fits else f"{found.said} {said}",
        free_bytes=free,
        short_bytes=max(over, found.short_bytes),
        would_make_room=ways,
        never=found.never or wish.needs_bytes > limit.most_bytes,
    )


def _within(
    wish: Wish, limit: _Limit, rest: Sequence[Candidate], over: int, now: float | None
) -> list[str]:
    at = eviction.latest(rest) if now is None else now
    gone = eviction.to_evict(rest, over, at) if wish.needs_bytes <= limit.most_bytes else ()
    ways = [_evicting(gone), *(one.said for one in gone[:_FEW_NAMED])] if gone else []
    more = f"An administrator can raise serving_memory_gb by {gib(over)}."
    return [*ways, *_fewer(wish, limit.left_bytes), more]


# What would make room


def _ways(
    wish: Wish,
    ledger: Ledger,
    host: Capacity,
    others: Sequence[Candidate],
    short: int,
    now: float | None,
    *,
    never: bool,
) -> list[str]:
    ways = _fewer(wish, _free(ledger, host))
    if never or not short:
        return [*ways, *_offered(wish, host)] if never else ways
    at = eviction.latest(others) if now is None else now
    gone = eviction.to_evict(others, short, at)
    if gone:
        return [_evicting(gone), *(one.said for one in gone[:_FEW_NAMED]), *ways]
    idle = [one for one in eviction.order(others, at) if one.idle]
    ways += _paused(wish, ledger, host, idle)
    return ways or [_nothing(ledger, host)]


def _evicting(gone: Sequence[eviction.Ranked]) -> str:
    freed = sum(one.candidate.bytes for one in gone)
    names = _named([one.name for one in gone])
    wakes = "it wakes" if len(gone) == 1 else "they wake"
    return f"Evicting {names} frees {gib(freed)}; {wakes} with the next request."


def _paused(
    wish: Wish, ledger: Ledger, host: Capacity, idle: Sequence[eviction.Ranked]
) -> list[str]:
    """Return which trainings would have to pause, with the idle endpoints gone if need be."""
    asked = needs(wish)
    paused = ledger.to_pause(asked, host.host)
    if paused:
        return [_pausing(paused)]
    ids = {lease_id(one.name, one.candidate.version) for one in idle}
    paused = ledger.without(ids).to_pause(asked, host.host) if ids else ()
    if not paused:
        return []
    return [f"{_evicting(idle)} That is not enough alone.", _pausing(paused)]


def _pausing(leases: Sequence[Lease]) -> str:
    freed = sum(one.needs.memory_bytes for one in leases)
    names = _named([one.title for one in leases])
    ends = "it ends" if len(leases) == 1 else "they end"
    return f"Pausing {names}, or waiting until {ends}, frees {gib(freed)}."


def _fewer(wish: Wish, free: int) -> list[str]:
    """Return how many replicas would fit where all do not."""
    count = max(0, free) // max(1, wish.estimate.reserve_bytes)
    if not 1 <= count < wish.replicas:
        return []
    would = "would" if count > 1 else "alone would"
    return [f"{_replicas(count)[:1].upper()}{_replicas(count)[1:]} {would} fit now."]


def _offered(wish: Wish, host: Capacity) -> list[str]:
    total = host.total_bytes
    if total is None or host.memory_bytes is None or total <= wish.needs_bytes:
        return ["A machine with more memory, fewer weights or smaller batches would do."]
    return [
        f"An administrator can offer more of the {gib(total)} of {host.host} on the page Queue."
    ]


def _nothing(ledger: Ledger, host: Capacity) -> str:
    held = [one for one in ledger.on(host.host) if one.kind == "serving"]
    if held:
        titles = _named([one.title for one in held])
        return f"Nobody idle has enough: undeploy or scale down one of {titles}."
    return f"Nothing of the platform has enough of it: end other programs on {host.host}."


def _host(ledger: Ledger, wish: Wish, answered: str) -> Capacity | None:
    """Return the machine the answer speaks of; of one that never fits, the largest asked."""
    if answered:
        return ledger.host(answered)
    asked = [one for one in ledger.hosts if wish.host in {None, one.host}]
    return max(asked, key=lambda one: one.memory_bytes or 0, default=None)


def _free(ledger: Ledger, host: Capacity) -> int:
    free = ledger.free(host)
    known = [n for n in (free.memory_bytes, free.real_bytes) if n is not None]
    return max(0, min(known))


def _replicas(count: int) -> str:
    return "one replica" if count == 1 else f"{count} replicas"


def _named(names: Sequence[str]) -> str:
    shown = list(names[:_FEW_NAMED])
    if len(names) > _FEW_NAMED:
        shown.append(f"{len(names) - _FEW_NAMED} more")
    return " and ".join((", ".join(shown[:-1]), shown[-1])) if len(shown) > 1 else "".join(shown)
