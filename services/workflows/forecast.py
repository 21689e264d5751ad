"""When waiting jobs are expected to start: the policy itself, run ahead over earlier lengths."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import quantiles

from services.workflows.dispatch import Wait
from services.workflows.models import Job, Use
from services.workflows.simulation import Arrival, Outcome, Running, Setup, simulate
from services.workflows.words import span

LATE = 0.9
"""Quantile of earlier lengths that stands for a late end."""
COUNTED = 20
"""Newest lengths that count."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long jobs of a kind took."""

    median_s: float | None
    late_s: float | None
    """Nine of ten took no longer; of fewer than five, the longest."""
    said: str
    """What that rests on, or why nothing is known."""


@dataclass(frozen=True, slots=True)
class Expected:
    """When a job is expected to start, or why nobody knows."""

    at: float | None
    """If jobs take their median length. Seconds since 1970."""
    late_at: float | None
    """If all take their late length."""
    said: str


def lengths(seconds: Sequence[float]) -> Lengths:
    """Return what earlier jobs of the same kind tell, newest first."""
    known = [one for one in seconds[:COUNTED] if math.isfinite(one) and one > 0]
    if not known:
        return Lengths(None, None, "none of its kind has succeeded yet")
    if len(known) == 1:
        return Lengths(known[0], known[0], f"the last one took {span(known[0])}")
    tenths = quantiles(known, n=10, method="inclusive")
    late = max(known) if len(known) < 5 else tenths[8]
    return Lengths(
        tenths[4], late, f"the last {len(known)} took {span(tenths[4])}, half of them less"
    )


def expected_starts(
    waits: Iterable[Wait],
    running: Sequence[Running],
    uses: Sequence[Use],
    setup: Setup,
    now: float,
) -> dict[str, Expected]:
    """Return when each waiting job is expected to start if nothing else comes.

    Args:
        waits: The jobs that wait, and why.
        running: What runs; ``end`` is when it is expected to end, infinite where that is unknown.
        uses: What earlier jobs used, running ones left out.
        setup: Machines and policy as they are now.
        now: The time.
    """
    told = tuple(waits)
    untold = {one.job.id: said for one in told if (said := _untold(one))}
    jobs = [one.job for one in told if one.job.id not in untold]
    found = {name: Expected(None, None, said) for name, said in untold.items()}
    soon = _run(jobs, running, uses, setup, now, late=False)
    late = _run(jobs, running, uses, setup, now, late=True)
    unknown = _Unknown(soon.values(), running)
    for job in jobs:
        found[job.id] = _expected(soon[job.id], late[job.id], unknown)
    return found


def _untold(wait: Wait) -> str:
    """Return why no start can be told before anything is simulated, empty when it can."""
    by_reason: Mapping[str, str] = {
        "dependency": "It is not known when what it follows is done.",
        "paused": "It is paused.",
        "engine": "Airflow does not answer.",
        "never": "It never starts as it is.",
        "no_host": "No machine that fits is here.",
        "thermal": "Nobody knows how long the machine takes to be normal again.",
    }
    if wait.reason == "quota" and wait.free_at is None:
        return "It is more than the whole quota."
    return by_reason.get(wait.reason, "")


def _run(
    jobs: Sequence[Job],
    running: Sequence[Running],
    uses: Sequence[Use],
    setup: Setup,
    now: float,
    *,
    late: bool,
) -> dict[str, Outcome]:
    unknown_s = setup.rules.unknown_s

    def length(job: Job) -> float:
        known = job.late_s if late else job.expected_s
        return max(1.0, known if known is not None else unknown_s)

    arrivals = [Arrival(job, length(job)) for job in jobs]
    ending = [replace(one, end=max(now, one.begin + length(one.job), now + 1.0)) for one in running]
    outcomes = simulate(arrivals, setup, now, running=ending, uses=uses)
    return {one.job.id: one for one in outcomes}


class _Unknown:
    """When jobs of unknown length hold each machine: whatever starts after them is unknown too."""

    def __init__(self, outcomes: Iterable[Outcome], running: Iterable[Running]) -> None:
        self._first: dict[str, tuple[float, Job]] = {}
        for one in running:
            if one.job.expected_s is None:
                self._note(one.host, one.begin, one.job)
        for made in outcomes:
            if made.job.expected_s is None and made.host is not None and made.begin is not None:
                self._note(made.host, made.begin, made.job)

    def _note(self, host: str, begin: float, job: Job) -> None:
        known = self._first.get(host)
        if known is None or begin < known[0]:
            self._first[host] = begin, job

    def before(self, outcome: Outcome) -> Job | None:
        """Return a job of unknown length that a start waits for, None when there is none."""
        first = self._first.get(outcome.host or "")
        if first is None or outcome.begin is None or outcome.begin <= first[0]:
            return None
        return first[1]


def _expected(soon: Outcome, late: Outcome, unknown: _Unknown) -> Expected:
    if soon.begin is None:
        return Expected(None, None, "It does not start as things are; see what holds it.")
    before = unknown.before(soon)
    if before is not None:
        why = before.no_estimate or "none of its kind has succeeded yet"
        said = f"Nobody knows how long {before.what or before.id} takes, which is before it: {why}."
        return Expected(None, None, said)
    latest = None if late.begin is None else max(late.begin, soon.begin)
    return Expected(soon.begin, latest, "If nothing else comes and jobs take as long as before.")
