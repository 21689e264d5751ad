"""Fair share: who goes next.

Every project has a count of what it used, which decays: c·∫ 2^(−(now−t)/h) dt over each job's time,
c its cost and h the half-life (the decay of Slurm's multifactor priority). The project with the
least of it by its weight goes next, and is charged beforehand with what its job is expected to
take, so that the whole order follows (start-time fair queueing, Goyal et al. 1996).

Nobody starves: while a project waits its count only falls and those of others grow, so it comes to
be the least. Priority is a head start of bounded size and changes when, never how much. Within a
project a level of priority is worth a bounded time of waiting: a job can be overtaken only by those
that came within that time after it. Only an operator's "to the back" holds a job behind all others.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.telemetry.figures import percent, share
from services.workflows.models import Job, Override, Rules, Share, Use
from services.workflows.quota import QuotaHold, quota_hold
from services.workflows.words import jobs as job_count

WEIGHT_OF_LAST = 1_000
"""Airflow's weight of the last in the line; each before it has one more. A task without a place has
the contract's priority on top of this (``mlops_workflows.told``), so it goes among the last."""
ORDINARY = 5
_FORGOTTEN = 12
"""Half-lives after which a use counts less than a four-thousandth."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of its share one project had."""

    project: str
    used_s: float
    """Decayed slot-seconds, what runs included."""
    committed_s: float
    """Slot-seconds that its running jobs are expected to take yet."""
    share: float
    """Of the decayed use of all projects, 0–1."""
    due: float
    """Its weight among the projects that use or want anything, 0–1."""
    waiting: int


@dataclass(frozen=True, slots=True)
class Place:
    """One job in the line."""

    job: Job
    position: int
    """From 1 on."""
    weight: int
    """Airflow's priority weight: higher goes first."""
    said: str
    """Why it stands where it does."""


@dataclass(frozen=True, slots=True)
class Line:
    """All waiting jobs: those whose turn comes, in order, and those that something else holds."""

    places: tuple[Place, ...]
    quota: tuple[QuotaHold, ...]
    blocked: tuple[Job, ...]
    standings: Mapping[str, Standing]


def decayed_s(use: Use, now: float, half_life_s: float) -> float:
    """Return the slot-seconds of one use as they count now."""
    end = now if use.end is None else min(use.end, now)
    if end <= use.begin:
        return 0.0
    scale = half_life_s / math.log(2)
    recent = math.exp2(-(now - end) / half_life_s) - math.exp2(-(now - use.begin) / half_life_s)
    return use.cost * scale * recent


def line(
    jobs: Iterable[Job],
    uses: Iterable[Use],
    shares: Mapping[str, Share],
    now: float,
    overrides: Iterable[Override] = (),
    rules: Rules | None = None,
) -> Line:
    """Return the order in which waiting jobs go.

    Args:
        jobs: All that wait; a project without a share has an ordinary one.
        uses: What runs, and what ran as long ago as it counts.
        shares: By project.
        now: The time.
        overrides: What operators said; the newest of each job counts.
        rules: The policy's figures.
    """
    rules = rules or Rules()
    moved = _newest(overrides)
    waiting = [_with_priority(job, moved.get(job.id)) for job in jobs]
    by_project = _grouped(uses, now, rules)
    standings = _standings(waiting, by_project, shares, now, rules)
    ready, held = [], []
    for job in waiting:
        if job.blocked is not None:
            continue
        own = shares.get(job.project) or Share(job.project)
        hold = quota_hold(job, own, by_project.get(job.project, []), now, rules)
        if hold is None:
            ready.append(job)
        else:
            held.append(hold)
    ordered = _ordered(ready, standings, shares, moved, rules)
    places = [
        Place(
            job,
            number,
            WEIGHT_OF_LAST + len(ordered) - number,
            _said(job, number, ordered, standings, moved.get(job.id)),
        )
        for number, job in enumerate(ordered, 1)
    ]
    blocked = tuple(job for job in waiting if job.blocked is not None)
    held.sort(key=lambda one: (_turn(one.job, rules), one.job.id))
    return Line(tuple(places), tuple(held), blocked, standings)


def _newest(overrides: Iterable[Override]) -> dict[str, Override]:
    """Return one override a job: a later one keeps of the earlier what it does not speak of."""
    found: dict[str, Override] = {}
    for one in sorted(overrides, key=lambda one: one.at):
        before = found.get(one.job)
        found[one.job] = Override(
            one.job,
            one.move or (before.move if before else None),
            one.priority or (before.priority if before else None),
            one.by,
            one.at,
        )
    return found


def _with_priority(job: Job, override: Override | None) -> Job:
    if override is None or override.priority is None:
        return job
    return replace(job, priority=min(10, max(1, override.priority)))


def _grouped(uses: Iterable[Use], now: float, rules: Rules) -> dict[str, list[Use]]:
    oldest = now - max(_FORGOTTEN * rules.half_life_s, rules.quota_window_s)
    found: dict[str, list[Use]] = {}
    for use in uses:
        if use.end is None or use.end > oldest:
            found.setdefault(use.project, []).append(use)
    return found


def _standings(
    waiting: Sequence[Job],
    uses: Mapping[str, Sequence[Use]],
    shares: Mapping[str, Share],
    now: float,
    rules: Rules,
) -> dict[str, Standing]:
    counts: dict[str, int] = {}
    for job in waiting:
        counts[job.project] = counts.get(job.project, 0) + 1
    names = sorted({*counts, *uses})
    used = {
        name: sum(decayed_s(use, now, rules.half_life_s) for use in uses.get(name, ()))
        for name in names
    }
    weights = {name: _weight(shares, name) for name in names}
    all_used, all_weights = sum(used.values()), sum(weights.values())
    return {
        name: Standing(
            name,
            used[name],
            sum(_rest_s(use, now, rules) for use in uses.get(name, ()) if use.end is None),
            share(used[name], all_used),
            share(weights[name], all_weights),
            counts.get(name, 0),
        )
        for name in names
    }


def _rest_s(use: Use, now: float, rules: Rules) -> float:
    whole = rules.unknown_s if use.expected_s is None else use.expected_s
    return use.cost * max(0.0, use.begin + whole - now)


def _ordered(
    ready: Sequence[Job],
    standings: Mapping[str, Standing],
    shares: Mapping[str, Share],
    moved: Mapping[str, Override],
    rules: Rules,
) -> list[Job]:
    def move(job: Job) -> str | None:
        return moved[job.id].move if job.id in moved else None

    count = {
        name: (one.used_s + one.committed_s) / _weight(shares, name)
        - _head_start(shares, name, rules)
        for name, one in standings.items()
    }
    front = sorted((j for j in ready if move(j) == "front"), key=lambda j: (-moved[j.id].at, j.id))
    back = sorted((j for j in ready if move(j) == "back"), key=lambda j: (moved[j.id].at, j.id))
    for job in front:
        count[job.project] += _charge(job, shares, rules)
    queues: dict[str, list[Job]] = {}
    for job in sorted(ready, key=lambda j: (_turn(j, rules), j.submitted, j.id), reverse=True):
        if move(job) is None:
            queues.setdefault(job.project, []).append(job)  # the first is at the end

    # Figures are compared to the millisecond: what floats make of the last digits decides nothing.
    def key(name: str) -> tuple[float, float, str]:
        return round(count[name], 3), _turn(queues[name][-1], rules), name

    heap = [key(name) for name in queues]
    heapq.heapify(heap)
    order = list(front)
    while heap:
        name = heapq.heappop(heap)[2]
        job = queues[name].pop()
        order.append(job)
        count[name] += _charge(job, shares, rules)
        if queues[name]:
            heapq.heappush(heap, key(name))
    return [*order, *back]


def _turn(job: Job, rules: Rules) -> float:
    """Return when a job stands as if it had come, its priority counted as waiting."""
    return job.submitted - rules.ageing_s * (job.priority - ORDINARY)


def _charge(job: Job, shares: Mapping[str, Share], rules: Rules) -> float:
    expected = rules.unknown_s if job.expected_s is None else job.expected_s
    return job.cost * expected / _weight(shares, job.project)


def _weight(shares: Mapping[str, Share], project: str) -> float:
    return shares[project].weight if project in shares else 1.0


def _head_start(shares: Mapping[str, Share], project: str, rules: Rules) -> float:
    priority = shares[project].priority if project in shares else ORDINARY
    return rules.head_start_s * (priority - ORDINARY)


def _said(
    job: Job,
    number: int,
    order: Sequence[Job],
    standings: Mapping[str, Standing],
    override: Override | None,
) -> str:
    if override is not None and override.move is not None:
        return f"{override.by or 'An operator'} moved it to the {override.move} of the line."
    mine = standings[job.project]
    had = f"{job.project} had {percent(mine.share)} of recent use and is due {percent(mine.due)}"
    if number == 1:
        return f"It is the next: {had}."
    ahead = order[: number - 1]
    own = sum(other.project == job.project for other in ahead)
    others = len(ahead) - own
    if not others:
        return f"{job_count(own)} of {job.project} went into the line before it."
    of_own = f" and {own} of its own project" if own else ""
    verb = "goes" if number == 2 else "go"
    return f"{job_count(others)} of other projects{of_own} {verb} first: {had}."
