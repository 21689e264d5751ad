"""What stretch of time each sample speaks for, cut to the interval that is asked about.

A sample tells of the window that ends with it. Samples do not come on the dot, and machines sleep:
a window is stretched over a small delay, but never over a sample that is missing, and never over a
pause. What no sample speaks for is a gap, and nothing is made up for it here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from services.engines.silicon.models import ProcessUse, Reading, Sample
from services.telemetry.figures import share

LATE = 1.5
"""A sample up to this many windows after the one before speaks for all the time between: it came
late. From twice the window on, one is missing."""

PAUSE = 3.0
"""A window this many times the usual one is a pause (sleep, a sampler that was stopped): what the
sample says of the moment holds for a usual window alone."""

REACH_S = 30.0
"""How much more than an interval is asked of the store, so that the sample after its end, whose
window holds the end, is there too. Agents report at least so often."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch within the interval, and the sample that speaks for it. Times: s since 1970."""

    begin: float
    end: float
    window_begin: float
    """Begin of the whole stretch, before it was cut."""
    window_end: float
    part: float
    """Share of the sample's window, and so of its CPU and GPU times, that falls into it."""
    readings: Mapping[str, Reading]
    processes: tuple[ProcessUse, ...]
    earlier: Mapping[str, Reading]
    """Of the sample that ends where this window begins; empty when there is a gap between."""

    @property
    def seconds(self) -> float:
        """Return its length."""
        return self.end - self.begin

    def value(self, metric: str) -> float | None:
        """Return a metric's value, None when there is none."""
        reading = self.readings.get(metric)
        return None if reading is None else reading.value

    def owned(self, owner: str) -> tuple[ProcessUse, ...]:
        """Return the processes of one owner."""
        return tuple(use for use in self.processes if use.owner == owner)


def spans(samples: Iterable[Sample], start: datetime, end: datetime) -> tuple[Span, ...]:
    """Return what the samples of one host say of ``[start, end)``, in order of time.

    Samples may be given in any order, more than once (the last one counts), and should reach one
    sample over the end: see ``REACH_S``.
    """
    newest = {sample.at: sample for sample in samples}
    ordered = [newest[at] for at in sorted(newest)]
    usual = _usual_window(ordered)
    first, last = start.timestamp(), end.timestamp()
    found: list[Span] = []
    before: Sample | None = None
    for sample in ordered:
        at = sample.at.timestamp()
        begin = _window_begin(sample, at, before.at.timestamp() if before else None, usual)
        cut = max(begin, first), min(at, last)
        if cut[1] > cut[0]:
            joined = before if before and before.at.timestamp() == begin else None
            found.append(_span(sample, (begin, at), cut, joined))
        before = sample
    return tuple(found)


def covered_s(found: Sequence[Span]) -> float:
    """Return the seconds that samples speak for."""
    return sum(span.seconds for span in found)


def coverage(found: Sequence[Span], start: datetime, end: datetime) -> float:
    """Return the share of an interval that samples speak for, 0–1."""
    return min(1.0, share(covered_s(found), (end - start).total_seconds()))


def moment(seconds: float) -> datetime:
    """Return seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def stretches(found: Iterable[Span], joined_s: float = 1.0) -> tuple[tuple[float, float], ...]:
    """Return spans put together where they touch: begins and ends in seconds since 1970."""
    out: list[tuple[float, float]] = []
    for span in found:
        if out and span.begin - out[-1][1] <= joined_s:
            out[-1] = (out[-1][0], span.end)
        else:
            out.append((span.begin, span.end))
    return tuple(out)


def _usual_window(ordered: Sequence[Sample]) -> float:
    windows = [sample.window_s for sample in ordered if sample.window_s > 0]
    return median(windows) if windows else 0.0


def _window_begin(sample: Sample, at: float, before: float | None, usual: float) -> float:
    window = sample.window_s if sample.window_s <= PAUSE * usual else usual
    begin = at - max(0.0, window)
    if before is None:
        return begin
    return before if at - before <= LATE * window else max(before, begin)


def _span(
    sample: Sample, whole: tuple[float, float], cut: tuple[float, float], joined: Sample | None
) -> Span:
    # The figures of processes are over the sample's own window, also when that was a pause.
    over = max(sample.window_s, whole[1] - whole[0])
    return Span(
        begin=cut[0],
        end=cut[1],
        window_begin=whole[0],
        window_end=whole[1],
        part=min(1.0, share(cut[1] - cut[0], over)),
        readings=_by_name(sample),
        processes=sample.processes,
        earlier=_by_name(joined) if joined else {},
    )


def _by_name(sample: Sample) -> dict[str, Reading]:
    return {reading.metric: reading for reading in sample.readings}
