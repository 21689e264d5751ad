"""Who used a component beside an owner, by name: engines, other runs, and strangers.

Processes that belong to nobody here are looked at every few samples, and only the busiest of them
are told, with the mean of all the time since the look before (``services.engines.silicon.uses``).
So what one look says holds for the samples around it that did not look; else a stranger that had a
whole core would count for a fifth of it, behind an engine that had a quarter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.engines.names import title as engine_title
from services.engines.silicon.models import ProcessUse
from services.engines.silicon.uses import SCAN_EVERY
from services.telemetry.figures import share
from services.telemetry.shares import OTHERS
from services.telemetry.spans import Span

Component = Literal["cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class Taker:
    """What one name had of a component over some spans."""

    name: str
    ratio: float
    """Share of the component (of all cores), 0–1."""


def with_strangers(found: Sequence[Span]) -> tuple[Span, ...]:
    """Return spans in which strangers are listed also where nobody looked for them."""
    looks = [n for n, span in enumerate(found) if span.owned(OTHERS)]
    out, place = [], 0
    for number, span in enumerate(found):
        while place < len(looks) and looks[place] < number:
            place += 1
        around = [looks[n] for n in (place, place - 1) if 0 <= n < len(looks)]
        # The next look is over the time before it; the last one is the second best.
        near = [n for n in around if abs(n - number) < SCAN_EVERY]
        out.append(_joined(span, found[near[0]]) if near and near[0] != number else span)
    return tuple(out)


def _joined(span: Span, look: Span) -> Span:
    """Return a span with the strangers of another, as much of the time as they had there."""
    factor = share(share(look.part, look.seconds) * span.seconds, span.part)
    strangers = (
        replace(use, cpu_s=_times(use.cpu_s, factor), gpu_s=_times(use.gpu_s, factor))
        for use in look.owned(OTHERS)
    )
    return replace(span, processes=(*span.processes, *strangers))


def _times(seconds: float | None, factor: float) -> float | None:
    return None if seconds is None else seconds * factor


def takers(hits: Sequence[Span], owner: str, component: Component, units: int) -> tuple[Taker, ...]:
    """Return who had what of a component over some spans, most first.

    Args:
        hits: Spans, strangers listed (``with_strangers``).
        owner: Who is left out; empty: nobody.
        component: Which.
        units: How many of it there are: cores, or one GPU.
    """
    seconds = sum(span.seconds for span in hits) * units
    used: dict[str, float] = {}
    for span in hits:
        room_s = _room(span, component, units)
        for use, had_s in _had(span, component):
            if use.owner == owner != OTHERS:
                continue
            # What is told of strangers is a mean; together they cannot have had more than is left.
            had = had_s if use.owner else had_s * room_s
            used[called(use)] = used.get(called(use), 0.0) + had
    found = [Taker(name, share(had, seconds)) for name, had in used.items() if had > 0]
    return tuple(sorted(found, key=lambda one: (-one.ratio, one.name)))


def _had(span: Span, component: Component) -> Iterator[tuple[ProcessUse, float]]:
    for use in span.processes:
        seconds = use.cpu_s if component == "cpu" else use.gpu_s
        if seconds:
            yield use, seconds * span.part


def _room(span: Span, component: Component, units: int) -> float:
    """Return by what the strangers' times are multiplied so that they fit beside the others."""
    whole = span.value(f"{component}_ratio")
    if whole is None:
        return 1.0
    told = [(bool(use.owner), had) for use, had in _had(span, component)]
    strangers = sum(had for owned, had in told if not owned)
    left = whole * units * span.seconds - sum(had for owned, had in told if owned)
    return min(1.0, share(max(0.0, left), strangers))


def called(use: ProcessUse) -> str:
    """Return whose a process is, as people read it."""
    kind, _, name = use.owner.partition(":")
    if kind == "engine" and name:
        return f"the engine {engine_title(name)}"
    return f"{use.owner} ({use.project})" if use.project else use.owner or use.name
