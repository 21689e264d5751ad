"""A recorded time under other settings, with how far each side is from its fair shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.resources.ledger import cost
from services.workflows.models import Share, Use
from services.workflows.recorded import due_over_time
from services.workflows.simulation import Outcome, Setup
from services.workflows.whatif import Recorded, WhatIf, use_over_time, what_if

MOST = 600
"""Newest jobs that are replayed: so many take seconds, and more would take minutes."""


STRETCH_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Replay:
    """What was beside what would have been; always simulated."""

    found: WhatIf
    error_before: float
    """Of all use, 0–1, how much went to projects that were not due it; both sides are held against
    the shares that are asked about. See ``astray``."""
    error_after: float
    too_many: int
    """Older jobs that were left out because there were more than ``MOST``."""


def replay(
    recorded: Sequence[Recorded], then: Setup, other: Setup, begin: float, end: float
) -> Replay:
    """Replay recorded jobs under other settings.

    Args:
        recorded: Jobs, as they came.
        then: The settings they really had.
        other: The settings that are asked about.
        begin: Begin of the recorded time.
        end: Its end.
    """
    kept = recorded[-MOST:]
    found = what_if(kept, then, other, begin, end)
    before = [
        Outcome(replace(one.job, cost=cost(one.job.needs, then.hosts)), "", one.begin, one.end)
        for one in kept
        if one.begin is not None and one.end is not None
    ]
    return Replay(
        found,
        astray(before, other.shares, begin, end),
        astray(found.outcomes, other.shares, begin, end),
        len(recorded) - len(kept),
    )


def astray(
    outcomes: Sequence[Outcome], shares: Mapping[str, Share], begin: float, end: float
) -> float:
    """Return how much of all use went to projects that were not due it then, 0–1.

    Over stretches of six hours or so: over a whole week everybody who waits long enough has had
    what they wanted, and every order looks fair. Half the sum of distances between what each
    project used and was due, which is what would have to change hands (total variation).
    """
    buckets = max(1, round((end - begin) / STRETCH_S))
    uses = [
        Use(one.job.project, one.begin, one.end, one.job.cost, one.job.id)
        for one in outcomes
        if one.begin is not None
    ]
    lines = [
        Use(one.job.project, one.job.submitted, one.begin, one.job.cost, one.job.id)
        for one in outcomes
    ]
    used = use_over_time(uses, begin, end, buckets)
    waited = use_over_time(lines, begin, end, buckets)
    weights = {name: share.weight for name, share in shares.items()}
    due = due_over_time(used, waited, weights)
    nothing = (0.0,) * buckets
    distance = sum(
        abs(had - owed)
        for name, row in due.items()
        for had, owed in zip(used.get(name, nothing), row, strict=True)
    )
    whole = sum(sum(row) for row in used.values())
    return distance / 2 / whole if whole else 0.0


def changed(then: Setup, shares: Mapping[str, Share], slots: Mapping[str, int]) -> Setup:
    """Return settings with other shares and numbers of slots.

    Args:
        then: The settings that hold.
        shares: Shares by project; one that is not named keeps its own.
        slots: Heavy slots by machine; one that is not named keeps its own.
    """
    hosts = tuple(
        replace(host, gpu_slots=slots.get(host.host, host.gpu_slots)) for host in then.hosts
    )
    return replace(then, hosts=hosts, shares={**then.shares, **shares})
