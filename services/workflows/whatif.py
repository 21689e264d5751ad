"""What-if: a queue that was, replayed under other weights, slots or machines. Always simulated."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from services.resources.ledger import cost
from services.workflows.models import Job, Use
from services.workflows.simulation import Arrival, Outcome, Setup, simulate, used_s
from services.workflows.words import jobs as job_count


@dataclass(frozen=True, slots=True)
class Recorded:
    """One job as it was: when it came, ran and ended. Times: seconds since 1970."""

    job: Job
    """``expected_s`` as it was known then."""
    begin: float | None
    """None: it did not start in the recording."""
    end: float | None
    """None: it had not ended."""


@dataclass(frozen=True, slots=True)
class ProjectChange:
    """What would be different for one project."""

    project: str
    jobs: int
    wait_before_s: float | None
    """Median; None: none of its jobs started."""
    wait_after_s: float | None
    used_before_s: float
    """Slot-seconds in the recorded time."""
    used_after_s: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A replay beside what was."""

    projects: tuple[ProjectChange, ...]
    outcomes: tuple[Outcome, ...]
    replayed: int
    left_out: int
    """Jobs that never ran or had not ended: nobody knows how long they take."""
    unplaced: int
    """Jobs that ran and would not start under these settings."""
    error_s: float | None
    """How far the waits of the same replay under the settings of then are from the real ones: the
    median distance. The replay is as far from the truth as that."""
    said: str


def what_if(
    recorded: Iterable[Recorded], then: Setup, other: Setup, begin: float, end: float
) -> WhatIf:
    """Replay a recorded time under other settings.

    Args:
        recorded: Jobs that came or ran in it.
        then: The settings under which it was recorded: the replay is tested against them.
        other: The settings that are asked about.
        begin: Begin of the recorded time.
        end: Its end.
    """
    told = tuple(recorded)
    whole = [one for one in told if one.begin is not None and one.end is not None]
    before = [Outcome(_priced(one.job, then), "", one.begin, one.end) for one in whole]
    after = _replay(whole, other, begin)
    tested = _replay(whole, then, begin)
    unplaced = sum(one.begin is None for one in after)
    left_out = len(told) - len(whole)
    error_s = _distance(before, tested)
    return WhatIf(
        tuple(_changes(before, after, begin, end)),
        after,
        len(whole),
        left_out,
        unplaced,
        error_s,
        _said(len(whole), left_out, unplaced, error_s),
    )


def _replay(whole: Sequence[Recorded], setup: Setup, begin: float) -> tuple[Outcome, ...]:
    arrivals = [
        Arrival(_priced(one.job, setup), (one.end or 0.0) - (one.begin or 0.0)) for one in whole
    ]
    first = min((one.job.submitted for one in whole), default=begin)
    return simulate(arrivals, setup, min(begin, first))


def _priced(job: Job, setup: Setup) -> Job:
    return replace(job, cost=cost(job.needs, setup.hosts), blocked=None)


def _changes(
    before: Sequence[Outcome], after: Sequence[Outcome], begin: float, end: float
) -> Iterable[ProjectChange]:
    used_before, used_after = used_s(before, begin, end), used_s(after, begin, end)
    waits_before, waits_after = _waits(before), _waits(after)
    for name in sorted(used_before):
        yield ProjectChange(
            name,
            sum(one.job.project == name for one in before),
            waits_before.get(name),
            waits_after.get(name),
            used_before[name],
            used_after.get(name, 0.0),
        )


def _waits(outcomes: Iterable[Outcome]) -> Mapping[str, float]:
    found: dict[str, list[float]] = {}
    for one in outcomes:
        if one.wait_s is not None:
            found.setdefault(one.job.project, []).append(one.wait_s)
    return {name: median(values) for name, values in found.items()}


def _distance(before: Sequence[Outcome], tested: Sequence[Outcome]) -> float | None:
    real = {one.job.id: one.wait_s for one in before}
    distances = [
        abs(one.wait_s - was)
        for one in tested
        if one.wait_s is not None and (was := real[one.job.id]) is not None
    ]
    return median(distances) if distances else None


def _said(replayed: int, left_out: int, unplaced: int, error_s: float | None) -> str:
    parts = [f"Simulated: {job_count(replayed)} replayed."]
    if error_s is not None and math.isfinite(error_s):
        parts.append(
            f"Under the settings of then the replay's waits are {error_s / 60:.1f} min from the "
            "real ones in the median."
        )
    if left_out:
        parts.append(f"{job_count(left_out)} left out that never ended.")
    if unplaced:
        parts.append(f"{job_count(unplaced)} would never start so.")
    return " ".join(parts)


def use_over_time(
    uses: Iterable[Use], begin: float, end: float, buckets: int
) -> dict[str, tuple[float, ...]]:
    """Return slot-seconds by project in equal stretches of time: shares as a chart shows them."""
    width = (end - begin) / buckets
    found: dict[str, list[float]] = {}
    for use in uses:
        row = found.setdefault(use.project, [0.0] * buckets)
        last = end if use.end is None else min(use.end, end)
        first = max(use.begin, begin)
        if last <= first:
            continue
        for number in range(int((first - begin) / width), buckets):
            low = begin + number * width
            if low >= last:
                break
            row[number] += use.cost * (min(last, low + width) - max(first, low))
    return {name: tuple(row) for name, row in sorted(found.items())}
