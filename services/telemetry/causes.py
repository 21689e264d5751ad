"""What a search for causes looks at, and what each check answers: found, clear, or cannot tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.engines.silicon.models import METRICS, Machine
from services.telemetry.figures import NOT_SAMPLED, share, why_missing
from services.telemetry.shares import OTHERS, Attribution
from services.telemetry.spans import Span, moment, stretches

Kind = Literal[
    "thermal", "low_power", "memory", "wired", "contention", "cpu_fallback", "gpu_gaps", "battery"
]
KINDS: dict[Kind, str] = {
    "thermal": "throttling by heat",
    "low_power": "Low Power Mode",
    "memory": "memory pressure and swap",
    "wired": "the budget of GPU memory",
    "contention": "others on the machine",
    "cpu_fallback": "computing on the CPU instead of the GPU",
    "gpu_gaps": "a GPU that waits",
    "battery": "battery",
}
"""What is looked for, in the order in which causes of the same weight are told."""

LASTING = 0.05
"""Share of the time for which a state must hold to count: less cannot explain a slow run."""

ENOUGH = 0.5
"""Share of the time for which a figure must be known before its check may say "clear"."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One figure that a finding rests on."""

    metric: str
    value: float
    unit: str
    bound: float | None
    """What it was held against; None for a figure that is told beside."""
    start: datetime
    end: datetime
    said: str
    """The same as a sentence."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cause that was at work."""

    kind: Kind
    title: str
    evidence: tuple[Evidence, ...]
    suggestion: str
    lost: float
    """Share of the speed it is likely to have cost, 0–1, by the table of its check."""
    times: tuple[tuple[float, float], ...]
    """When, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Clear:
    """A cause that was looked for and not at work."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class CannotTell:
    """A cause that may have been at work: the figures to say are not there."""

    kind: Kind
    reason: str


Answer = Found | Clear | CannotTell


@dataclass(frozen=True, slots=True)
class Case:
    """An interval of a machine as all checks see it."""

    found: tuple[Span, ...]
    start: datetime
    end: datetime
    shared: Attribution
    machine: Machine | None
    owner: str
    """Whose slowness it is; empty: the machine's."""
    meant_for_gpu: bool | None
    """None: nobody said what it was to compute on."""

    @property
    def cores(self) -> int:
        """Return the number of cores, 0 when it is not known."""
        return sum(tier.cores for tier in self.machine.tiers) if self.machine else 0

    @property
    def may_have_gpu(self) -> bool:
        """Return whether there may be a GPU to contend for; a machine that names none has none."""
        return self.machine is None or self.machine.apple_silicon or self.machine.gpu is not None

    def known(self, metric: str) -> float:
        """Return the share of the interval for which a metric is known."""
        seconds = sum(span.seconds for span in self.found if span.value(metric) is not None)
        return share(seconds, (self.end - self.start).total_seconds())

    def enough(self, metric: str) -> bool:
        """Return whether a metric is known for long enough to say that nothing was wrong."""
        return self.known(metric) >= ENOUGH

    def missing(self, *metrics: str) -> str:
        """Return why metrics are not known for long enough."""
        for metric in metrics:
            if self.enough(metric):
                continue
            if not self.found:
                return NOT_SAMPLED
            if self.known(metric):
                return f"{METRICS[metric].title}: known for too little of the time"
            title = METRICS[metric].title
            said = why_missing((span.readings.get(metric) for span in self.found), metric)
            return f"{title}: {said}"
        return NOT_SAMPLED

    def at_least(self, metric: str, bound: float) -> tuple[Span, ...]:
        """Return the spans in which a metric was at a bound or above."""
        return tuple(s for s in self.found if (v := s.value(metric)) is not None and v >= bound)

    def lasting(self, hits: Sequence[Span], *metrics: str) -> bool:
        """Return whether spans are long enough beside the time in which a metric is known."""
        known = sum(
            span.seconds for span in self.found if any(span.value(m) is not None for m in metrics)
        )
        return bool(hits) and self.part(hits, known) >= LASTING

    def part(self, hits: Sequence[Span], known_s: float | None = None) -> float:
        """Return the share of the sampled time (or of ``known_s``) that spans make up."""
        whole = sum(span.seconds for span in self.found) if known_s is None else known_s
        return share(sum(span.seconds for span in hits), whole)

    def own_cores(self, span: Span) -> float | None:
        """Return how many cores the owner kept busy; without an owner, how many were."""
        if self.owner == OTHERS:
            ratio = span.value("cpu_ratio")
            return ratio * self.cores if ratio is not None and self.cores else None
        return _rate(span, (use.cpu_s for use in span.owned(self.owner)))

    def own_gpu(self, span: Span) -> float | None:
        """Return the share of a span in which the owner used the GPU; None when not told."""
        return _rate(span, (use.gpu_s for use in span.owned(self.owner)))


def evidence(
    hits: Sequence[Span], metric: str, value: float, said: str, bound: float | None = None
) -> Evidence:
    """Return a figure over some spans, from the first of them to the last."""
    start, end = moment(hits[0].begin), moment(hits[-1].end)
    unit = METRICS[metric].unit if metric in METRICS else ""
    return Evidence(metric, value, unit, bound, start, end, said)


def found(
    kind: Kind,
    hits: Sequence[Span],
    title: str,
    suggestion: str,
    lost: float,
    told: Sequence[Evidence],
) -> Found:
    """Return a cause that was at work in some spans."""
    return Found(kind, title, tuple(told), suggestion, min(1.0, max(0.0, lost)), stretches(hits))


def _rate(span: Span, seconds: Iterable[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return share(sum(known) * span.part, span.seconds) if known else None
