"""Why a run, or a stretch of time on a machine, was slow: causes by weight, each with its evidence.

The same samples give the same answer: nothing is asked of anybody, nothing is learned. What the
figures do not allow to say is said so, and never taken as fine.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.engines.silicon.models import Machine, Sample
from services.telemetry.attribution import attribute
from services.telemetry.causes import (
    ENOUGH,
    KINDS,
    Answer,
    CannotTell,
    Case,
    Clear,
    Evidence,
    Found,
    Kind,
)
from services.telemetry.figures import percent
from services.telemetry.shares import OTHERS
from services.telemetry.spans import coverage, moment, spans
from services.telemetry.speed import Point, Slowdown, by_halves, lost_in, slowdown
from services.telemetry.state_checks import battery, low_power, memory, thermal, wired
from services.telemetry.use_checks import contention, cpu_fallback, gpu_gaps

CHECKS: dict[Kind, Callable[[Case], Answer]] = {
    "thermal": thermal,
    "low_power": low_power,
    "memory": memory,
    "wired": wired,
    "contention": contention,
    "cpu_fallback": cpu_fallback,
    "gpu_gaps": gpu_gaps,
    "battery": battery,
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, with how much it weighs."""

    kind: Kind
    title: str
    evidence: tuple[Evidence, ...]
    """What it was found by first."""
    suggestion: str
    lost: float
    """Share of the speed it cost, 0–1."""
    lost_quality: Literal["measured", "estimated"]
    """Measured on the run's own steps, or taken from what such a cause is known to cost."""
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run of the same work on the same machine, to compare the speed with."""

    name: str
    samples: tuple[Sample, ...]
    start: datetime
    end: datetime
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of why it was slow."""

    start: datetime
    end: datetime
    coverage: float
    """Share of the time that samples speak for, 0–1."""
    summary: str
    causes: tuple[Cause, ...]
    """What weighs most first."""
    unknown: tuple[CannotTell, ...]
    clear: tuple[Kind, ...]
    slowdown: Slowdown | None
    """By how much the run's steps were slower; None without steps to tell by."""


def why_slow(
    samples: Iterable[Sample],
    start: datetime,
    end: datetime,
    *,
    machine: Machine | None = None,
    owner: str = OTHERS,
    meant_for_gpu: bool | None = None,
    points: Sequence[Point] = (),
    earlier: Earlier | None = None,
) -> Diagnosis:
    """Rank what slowed ``[start, end)`` down.

    Args:
        samples: Of one host; they should reach one sample over the end (``spans.REACH_S``).
        start: Begin, aware.
        end: End, aware; later than the begin.
        machine: What the host is.
        owner: ``run:<run_id>``; empty asks about the machine as a whole.
        meant_for_gpu: Whether the run was to compute on the GPU; None when nobody said.
        points: The run's steps and when they were logged, to measure its speed by.
        earlier: An earlier run of the same work, taken for comparison if it was undisturbed.
    """
    samples = tuple(samples)
    case = Case(
        spans(samples, start, end),
        start,
        end,
        attribute(samples, start, end, machine),
        machine,
        owner,
        meant_for_gpu,
    )
    answers = _explained([check(case) for check in CHECKS.values()])
    found = [answer for answer in answers if isinstance(answer, Found)]
    slower = _slowdown(case, found, points, _undisturbed(earlier, machine, owner))
    causes = _ranked(found, case, points, slower)
    unknown = tuple(answer for answer in answers if isinstance(answer, CannotTell))
    return Diagnosis(
        start=start,
        end=end,
        coverage=coverage(case.found, start, end),
        summary=_summary(case, causes, unknown, slower),
        causes=causes,
        unknown=unknown,
        clear=tuple(answer.kind for answer in answers if isinstance(answer, Clear)),
        slowdown=slower,
    )


def _explained(answers: Sequence[Answer]) -> list[Answer]:
    """Leave a waiting GPU out where memory, which makes a GPU wait, was found already."""
    if any(isinstance(answer, Found) and answer.kind == "memory" for answer in answers):
        return [a for a in answers if not (isinstance(a, Found) and a.kind == "gpu_gaps")]
    return list(answers)


def _undisturbed(earlier: Earlier | None, machine: Machine | None, owner: str) -> Earlier | None:
    """Return the earlier run if the machine's state did not disturb it, as far as is told."""
    if earlier is None or not earlier.samples:
        return None
    found = why_slow(earlier.samples, earlier.start, earlier.end, machine=machine, owner=owner)
    disturbed = {cause.kind for cause in found.causes} & {"thermal", "low_power", "memory", "wired"}
    return None if disturbed else earlier


def _slowdown(
    case: Case, found: Sequence[Found], points: Sequence[Point], earlier: Earlier | None
) -> Slowdown | None:
    disturbed = [time for one in found for time in one.times]
    within = [(span.begin, span.end) for span in case.found]
    if not found:
        return by_halves(points, case.start, case.end)
    before = (earlier.name, earlier.points, earlier.start, earlier.end) if earlier else None
    return slowdown(points, disturbed, within, before)


def _ranked(
    found: Sequence[Found], case: Case, points: Sequence[Point], slower: Slowdown | None
) -> tuple[Cause, ...]:
    length = (case.end - case.start).total_seconds()
    order = list(KINDS)
    causes = []
    for one in found:
        lost = lost_in(points, one.times, slower, length) if slower else None
        causes.append(
            Cause(
                kind=one.kind,
                title=one.title,
                evidence=one.evidence,
                suggestion=one.suggestion,
                lost=one.lost if lost is None else lost,
                lost_quality="estimated" if lost is None else "measured",
                start=moment(one.times[0][0]),
                end=moment(one.times[-1][1]),
            )
        )
    expected = {one.kind: one.lost for one in found}
    causes.sort(key=lambda c: (-round(c.lost, 3), -expected[c.kind], order.index(c.kind)))
    return tuple(causes)


def _summary(
    case: Case, causes: Sequence[Cause], unknown: Sequence[CannotTell], slower: Slowdown | None
) -> str:
    if not case.found:
        return "Nothing can be told: no sample of the machine is kept of that time."
    part = coverage(case.found, case.start, case.end)
    parts = [f"Only {percent(part)} of that time was sampled."] if part < ENOUGH else []
    if causes:
        first = causes[0]
        how = "" if first.lost_quality == "measured" else "about "
        parts.append(f"{first.title} ({how}{percent(first.lost)} of the speed).")
        if len(causes) > 1:
            parts.append(f"Also: {'; '.join(KINDS[cause.kind] for cause in causes[1:])}.")
    elif len(unknown) == len(CHECKS):
        why = "that is too little" if parts else "the machine reports none of the figures it takes"
        parts.append(f"Nothing can be told: {why}.")
    elif not parts:
        parts.append("Nothing of the machine was found to slow it down.")
    if slower is not None:
        parts.append(slower.said)
    if unknown and len(unknown) < len(CHECKS):
        parts.append(f"Cannot be told: {', '.join(KINDS[one.kind] for one in unknown)}.")
    return " ".join(parts)
