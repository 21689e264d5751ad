"""The policy on a clock that is moved by events: for proofs, forecasts and what-if.

The same functions decide here as on the real machines. Nothing is left to chance: what is asked
twice is answered alike.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.resources.ledger import Ledger
from services.resources.models import Capacity, Lease
from services.workflows.dispatch import Situation, dispatch, lease_id
from services.workflows.fair import line
from services.workflows.models import Job, Override, Rules, Share, Use
from services.workflows.thermal import HostPolicy

_AGAIN_S = 1.0
"""Least time between two looks that only a quota asks for."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job and how long it really takes; the policy knows only what the job says of itself."""

    job: Job
    seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs when the simulation begins."""

    job: Job
    host: str
    begin: float
    end: float
    """When it ends, or is expected to; infinite where that is unknown."""
    released: bool = False
    """It was given room and does not run yet."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The machines and the policy."""

    hosts: tuple[Capacity, ...]
    shares: Mapping[str, Share] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    overrides: tuple[Override, ...] = ()
    serving: tuple[Lease, ...] = ()
    policies: tuple[tuple[float, Mapping[str, HostPolicy]], ...] = ()
    """What the thermal policy says, and from when on."""
    here: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job."""

    job: Job
    host: str | None
    begin: float | None
    """None: it did not start before the simulation ended."""
    end: float | None
    """As simulated, also after the end of what was simulated."""

    @property
    def wait_s(self) -> float | None:
        """Return how long it waited, None when it did not start."""
        return None if self.begin is None else self.begin - self.job.submitted


def simulate(
    arrivals: Iterable[Arrival],
    setup: Setup,
    begin: float,
    until: float = math.inf,
    *,
    running: Sequence[Running] = (),
    uses: Sequence[Use] = (),
) -> tuple[Outcome, ...]:
    """Return what becomes of each job, in the order in which they came.

    Args:
        arrivals: Jobs; one that came before ``begin`` waits already.
        setup: Machines and policy.
        begin: When the simulation begins.
        until: When it ends; by default when nothing can happen any more.
        running: What runs at the begin.
        uses: What earlier jobs used, those that run at the begin left out.
    """
    world = _World(setup, begin, running, uses)
    coming = sorted(arrivals, key=lambda one: (one.job.submitted, one.job.id))
    for one in coming:
        world.expect(one)
    while (now := world.next_at()) is not None and now <= until:
        world.to(now)
    return tuple(world.outcome(one.job) for one in coming)


class _World:
    """What is at one moment of a simulation."""

    def __init__(
        self, setup: Setup, begin: float, running: Sequence[Running], uses: Sequence[Use]
    ) -> None:
        self._setup = setup
        self._ledger = Ledger(setup.hosts, setup.serving)
        self._begin = begin
        self._events: list[float] = [begin, *(at for at, _ in setup.policies if at > begin)]
        self._coming: list[tuple[float, str, Arrival]] = []
        self._ending: list[tuple[float, str]] = []
        self._waiting: dict[str, Arrival] = {}
        self._uses = list(uses)
        self._running: dict[str, Use] = {}
        self._ends: dict[str, float] = {}
        self._done: dict[str, Outcome] = {}
        for one in running:
            self._run(one.job, one.host, one.begin, one.end)
        heapq.heapify(self._events)

    def expect(self, arrival: Arrival) -> None:
        """Let a job come."""
        at = max(self._begin, arrival.job.submitted)
        heapq.heappush(self._coming, (at, arrival.job.id, arrival))

    def next_at(self) -> float | None:
        """Return when something happens next, None when nothing does."""
        heads = [heap[0] for heap in (self._coming, self._ending) if heap]
        times = [head[0] for head in heads] + self._events[:1]
        return min(times, default=None)

    def to(self, now: float) -> None:
        """Let everything happen that happens at one time, then let the policy decide."""
        while self._events and self._events[0] <= now:
            heapq.heappop(self._events)
        while self._coming and self._coming[0][0] <= now:
            arrival = heapq.heappop(self._coming)[2]
            self._waiting[arrival.job.id] = arrival
        while self._ending and self._ending[0][0] <= now:
            end, job = heapq.heappop(self._ending)
            self._uses.append(replace(self._running.pop(job), end=end))
            self._ledger = self._ledger.without({f"task:{job}"})
            del self._ends[f"task:{job}"]
        if self._waiting:
            self._decide(now)

    def outcome(self, job: Job) -> Outcome:
        """Return what became of a job."""
        return self._done.get(job.id) or Outcome(job, None, None, None)

    def _decide(self, now: float) -> None:
        setup = self._setup
        uses = [*self._uses, *self._running.values()]
        waiting = (one.job for one in self._waiting.values())
        order = line(waiting, uses, setup.shares, now, setup.overrides, setup.rules)
        policies = [told for at, told in setup.policies if at <= now]
        situation = Situation(
            self._ledger,
            now,
            policies[-1] if policies else {},
            self._ends,
            setup.shares,
            uses,
            setup.rules,
            setup.here,
        )
        decided = dispatch(order, situation)
        for start in decided.starts:
            arrival = self._waiting.pop(start.job.id)
            self._run(arrival.job, start.host, now, now + arrival.seconds)
        free = [wait.free_at for wait in decided.waits if wait.free_at is not None]
        if free:
            heapq.heappush(self._events, max(min(free), now + _AGAIN_S))

    def _run(self, job: Job, host: str, begin: float, end: float) -> None:
        name = lease_id(job)
        self._ledger = self._ledger.with_lease(
            Lease(name, "training", host, job.project, job.needs, begin, begin)
        )
        if job.expected_s is not None:
            self._ends[name] = begin + job.expected_s
        else:
            self._ends[name] = math.inf
        self._running[job.id] = Use(
            job.project, begin, None, job.cost, job.id, job.expected_s, job.late_s
        )
        self._done[job.id] = Outcome(job, host, begin, end)
        heapq.heappush(self._ending, (end, job.id))


# Measures


def used_s(outcomes: Iterable[Outcome], begin: float, end: float) -> dict[str, float]:
    """Return the slot-seconds each project used between two times."""
    found: dict[str, float] = {}
    for one in outcomes:
        seconds = 0.0
        if one.begin is not None and one.end is not None:
            seconds = max(0.0, min(one.end, end) - max(one.begin, begin))
        found[one.job.project] = found.get(one.job.project, 0.0) + one.job.cost * seconds
    return found


def ideal_s(
    total_s: float, wanted_s: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """Return the fair division of what was used: by weight, and none more than it wanted.

    Max-min fairness: what a project does not want goes to the others by their weights.
    """
    ideal = dict.fromkeys(wanted_s, 0.0)
    open_names = set(wanted_s)
    left = min(total_s, sum(wanted_s.values()))
    while open_names and left > 1e-9:
        level = left / sum(weights[name] for name in open_names)
        sated = {n for n in open_names if wanted_s[n] - ideal[n] <= level * weights[n] + 1e-9}
        for name in sated or open_names:
            given = (wanted_s[name] - ideal[name]) if sated else level * weights[name]
            ideal[name] += given
            left -= given
        open_names = open_names - sated if sated else set()
    return ideal


def share_error(
    outcomes: Sequence[Outcome],
    arrivals: Iterable[Arrival],
    shares: Mapping[str, Share],
    begin: float,
    end: float,
) -> float:
    """Return how far the worst-off or best-off project is from its fair share of what was used.

    A share of all use, 0–1: 0.05 are five points.
    """
    used = used_s(outcomes, begin, end)
    wanted = dict.fromkeys(used, 0.0)
    for one in arrivals:
        if one.job.submitted < end:
            wanted[one.job.project] += one.job.cost * one.seconds
    total = sum(used.values())
    weights = {name: shares[name].weight if name in shares else 1.0 for name in used}
    ideal = ideal_s(total, wanted, weights)
    return max((abs(used[name] - ideal[name]) for name in used), default=0.0) / (total or 1.0)
