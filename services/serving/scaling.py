"""How many replicas an endpoint gets: from its queue and latency, fairly where memory is short.

Pure: the serving engine asks with what it sees, and does what is said one step at a time. The
thresholds are ours; up and down differ, so that a load between them changes nothing.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from services.resources.models import gib
from services.serving.figures import WINDOW_S, VersionFigures
from services.serving.models import Target

UP_AFTER_S = 10.0
"""Not sooner after the last change: a replica needs seconds until it takes a share of the load."""
DOWN_AFTER_S = 90.0
"""Later than the window of the figures, so that they speak of the present number alone."""
UP_SHARE = 0.8
"""Of what the replicas answer at once; above it one more is wanted."""
DOWN_SHARE = 0.4
"""Of what one replica fewer would answer at once; below it one can go."""
TAIL = 4.0
"""A p95 so many times the median, while requests overlap, is waiting and not work."""
TAIL_MS = 50.0
"""Below this p95 nobody is helped by one replica more."""


def decide(
    target: Target,
    figures: VersionFigures,
    ready: int,
    idle_s: float,
    now: float,
    last_change_at: float,
    *,
    at_once: int | None = None,
) -> int:
    """Return how many replicas a version should have now: at most one more or fewer than it has.

    Only what the least asks for comes all at once. Asked again before anything changed, it says the
    same. Do not ask with figures that are stale.

    Args:
        target: What is wanted of it.
        figures: What passed through the gateway.
        ready: Replicas that answer, and those on their way to.
        idle_s: After so long without a request it may be scaled to zero (``idle_after_s``).
        now: Seconds since 1970.
        last_change_at: When the number of its replicas changed last.
        at_once: Requests that one replica answers together; None: as many as a batch has rows.
    """
    least, most = bounds(target)
    if ready < max(least, 1):
        return max(least, ready + 1) if least or asked_since(figures, last_change_at) else 0
    if ready > most:
        return ready - 1
    if least == 0 and ready == 1 and idle(figures, idle_s, now, last_change_at):
        return 0
    since, each = now - last_change_at, max(1, at_once or target.max_batch)
    if ready < most and since >= UP_AFTER_S and crowded(figures, ready, each):
        return ready + 1
    if ready > max(least, 1) and since >= DOWN_AFTER_S and roomy(figures, ready, each):
        return ready - 1
    return ready


def bounds(target: Target) -> tuple[int, int]:
    """Return the least and the most replicas; what contradicts itself is read as the most."""
    most = max(1, target.max_replicas)
    return min(max(0, target.min_replicas), most), most


def asked_since(figures: VersionFigures, last_change_at: float) -> bool:
    """Return whether anybody waits for, or asked for, a version without replicas."""
    if figures.in_flight or figures.queued:
        return True
    return figures.last_at is not None and figures.last_at > last_change_at


def idle(figures: VersionFigures, idle_s: float, now: float, last_change_at: float) -> bool:
    """Return whether nobody asked for so long that it may be scaled to zero.

    A version that just got its replica was not idle: whoever woke it is about to ask.
    """
    if figures.in_flight or figures.queued:
        return False
    return now - max(figures.last_at or 0.0, last_change_at) >= idle_s


def crowded(figures: VersionFigures, ready: int, each: int) -> bool:
    """Return whether requests wait for want of replicas."""
    if figures.refused or figures.queued > ready:
        return True
    return figures.in_flight > UP_SHARE * each * ready or _long_tail(figures, ready)


def roomy(figures: VersionFigures, ready: int, each: int) -> bool:
    """Return whether one replica fewer would do, by what is under way and by the last minute."""
    if figures.refused or figures.queued or _long_tail(figures, ready - 1):
        return False
    load = max(float(figures.in_flight), concurrency(figures))
    return load <= DOWN_SHARE * each * (ready - 1)


def concurrency(figures: VersionFigures) -> float:
    """Return how many requests were under way at a time in the last minute (Little's law).

    The p95 stands for the mean, which is not known: rather too many than too few.
    """
    seconds = (figures.p95_ms or 0.0) / 1000
    return figures.requests / WINDOW_S * seconds


def _long_tail(figures: VersionFigures, ready: int) -> bool:
    if figures.p50_ms is None or figures.p95_ms is None or figures.in_flight <= ready:
        return False
    return figures.p95_ms >= max(TAIL_MS, TAIL * figures.p50_ms)


# Fairness where memory is short


@dataclass(frozen=True, slots=True)
class Want:
    """What one version would like to have."""

    name: str
    project: str
    replicas: int
    """As ``decide`` says."""
    floor: int
    """Of them those that every endpoint gets before any gets more (its ``min_replicas``)."""
    replica_bytes: int
    priority: int = 5
    """Of the project, 1 to 10: a project of 10 gets twice the memory of one of 5."""


@dataclass(frozen=True, slots=True)
class Allotted:
    """What one version gets."""

    name: str
    replicas: int
    said: str = ""
    """Why it gets less than it would like; empty when it gets all."""


@dataclass(order=True, slots=True)
class _Turn:
    """Whose turn it is: the project with the least memory for its priority, then by name."""

    floor_done: bool
    share: float
    name: str


def share(wants: Sequence[Want], budget_bytes: int) -> tuple[Allotted, ...]:
    """Divide memory over versions, in the order of ``wants``: nobody gets more than it would like.

    Floors come first. Then, replica by replica, the project that has the least memory for its
    priority is served (weighted max-min fairness): what one cannot use the others get.
    """
    of = {one.name: one for one in wants}
    given = dict.fromkeys(of, 0)
    held = dict.fromkeys((one.project for one in wants), 0)
    left = max(0, budget_bytes)
    heap = [_turn(one, 0, 0) for one in wants if one.replicas > 0]
    heapq.heapify(heap)
    while heap:
        turn = heapq.heappop(heap)
        want = of[turn.name]
        now = _turn(want, given[want.name], held[want.project])
        if now != turn:  # another endpoint of its project was served meanwhile
            heapq.heappush(heap, now)
            continue
        if want.replica_bytes > left:
            continue
        left -= want.replica_bytes
        held[want.project] += want.replica_bytes
        given[want.name] += 1
        if given[want.name] < want.replicas:
            heapq.heappush(heap, _turn(want, given[want.name], held[want.project]))
    return tuple(Allotted(one.name, given[one.name], _lack(one, given, left)) for one in wants)


def _turn(want: Want, given: int, held: int) -> _Turn:
    weight = max(1, want.priority)
    return _Turn(given >= min(want.floor, want.replicas), held / weight, want.name)


def _lack(want: Want, given: dict[str, int], left: int) -> str:
    got = given[want.name]
    if got >= want.replicas:
        return ""
    number = "no replica" if got == 0 else f"{got} of {want.replicas} replicas"
    return (
        f"{want.name} gets {number}: one more takes {gib(want.replica_bytes)}, "
        f"{gib(left)} of the memory for serving is left."
    )
