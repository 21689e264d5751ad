"""Techniques against each other by two figures at once: which of them nothing beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.engines.silicon.models import Quality
from services.mirror.projects import Goal
from services.telemetry.economics import (
    Axis,
    Memory,
    Places,
    Repeats,
    Spread,
    axis_spread,
    energies,
    spread,
    worst,
)
from services.telemetry.pareto import pareto


@dataclass(frozen=True, slots=True)
class Point:
    """One technique, at the medians of its runs that have both figures."""

    technique: str
    baseline: bool
    runs: int
    x: Spread
    y: Spread
    energy: Quality
    """The worst of its joules, ``unavailable`` where none has any."""
    front: bool
    beaten_by: tuple[str, ...]
    """Techniques of the front that are as good in both and better in one; empty on the front."""


@dataclass(frozen=True, slots=True)
class Trade:
    """The techniques of one project by two figures."""

    project: str
    metric: str
    goal: Goal
    memory: Memory
    x: Axis
    y: Axis
    points: tuple[Point, ...]
    """From the least x on."""
    left_out: tuple[tuple[Axis, str, int], ...]
    """Which figure runs lack, why, and how many runs; each run by the first figure it lacks."""
    unnamed: int
    """Finished training runs that name no technique."""

    @property
    def front(self) -> tuple[Point, ...]:
        """Return the points nothing beats."""
        return tuple(point for point in self.points if point.front)


def goals(goal: Goal, axes: Sequence[Axis]) -> tuple[Goal, ...]:
    """Return which way each figure is better: of costs, less."""
    return tuple(goal if axis == "quality" else "min" for axis in axes)


def trade(repeats: Repeats, x: Axis, y: Axis) -> Trade:
    """Return a project's techniques by two figures."""
    first, second = repeats.values[x], repeats.values[y]
    both = ~np.isnan(first) & ~np.isnan(second)
    found: list[tuple[str, bool, Spread, Spread, Quality]] = []
    for places in repeats.groups():
        own = places[both[places]]
        if len(own):
            name = repeats.names[int(repeats.techniques[own[0]])]
            baseline = bool(repeats.baseline[own].any())
            energy = worst(energies(repeats, own))
            found.append((name, baseline, spread(first[own]), spread(second[own]), energy))
    medians = [(across.median, up.median) for _, _, across, up, _ in found]
    ways = goals(repeats.goal, (x, y))
    on_front = set(pareto(medians, ways))
    points = [
        Point(
            technique=name,
            baseline=baseline,
            runs=across.runs,
            x=across,
            y=up,
            energy=energy,
            front=place in on_front,
            beaten_by=tuple(
                sorted(
                    found[other][0]
                    for other in on_front
                    if place not in on_front and _beats(medians[other], medians[place], ways)
                )
            ),
        )
        for place, (name, baseline, across, up, energy) in enumerate(found)
    ]
    return Trade(
        project=repeats.project,
        metric=repeats.metric,
        goal=repeats.goal,
        memory=repeats.memory,
        x=x,
        y=y,
        points=tuple(sorted(points, key=lambda point: (point.x.median or 0.0, point.technique))),
        left_out=_left_out(repeats, (y, x)),
        unnamed=int((repeats.techniques < 0).sum()),
    )


def _beats(
    one: Sequence[float | None], other: Sequence[float | None], ways: Sequence[Goal]
) -> bool:
    return pareto((one, other), ways) == (0,)


def _left_out(repeats: Repeats, axes: Sequence[Axis]) -> tuple[tuple[Axis, str, int], ...]:
    out: list[tuple[Axis, str, int]] = []
    rest: Places = np.flatnonzero(repeats.techniques >= 0)
    for axis in axes:
        without = np.isnan(repeats.values[axis][rest])
        missing = axis_spread(repeats, axis, rest[without]).missing
        out += [(axis, reason, runs) for reason, runs in missing]
        rest = rest[~without]
    return tuple(out)
