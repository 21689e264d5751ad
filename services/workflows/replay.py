"""A recorded time under other settings, with how far each side is from its fair shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.resources.ledger import cost
from services.workflows.models import Share
from services.workflows.simulation import Arrival, Outcome, Setup, share_error
from services.workflows.whatif import Recorded, WhatIf, what_if

MOST = 600
"""Newest jobs that are replayed: so many take seconds, and more would take minutes."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What was beside what would have been; always simulated."""

    found: WhatIf
    error_before: float
    """How far the project farthest from its fair share was, of all use, 0–1; under the shares that
    are asked about, so that both sides are held against the same aim."""
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
        Outcome(priced.job, "", one.begin, one.end)
        for one in kept
        if one.begin is not None and one.end is not None
        for priced in [_priced(one, then)]
    ]
    arrivals = [
        Arrival(_priced(one, then).job, one.end - one.begin)
        for one in kept
        if one.begin is not None and one.end is not None
    ]
    return Replay(
        found,
        share_error(before, arrivals, other.shares, begin, end),
        share_error(found.outcomes, arrivals, other.shares, begin, end),
        len(recorded) - len(kept),
    )


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


def _priced(one: Recorded, setup: Setup) -> Recorded:
    return replace(one, job=replace(one.job, cost=cost(one.job.needs, setup.hosts)))
