"""Two to twenty runs against a base: what differs, by how much, and whether it may be compared."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.experiments.environment import Environment, backend_title, environment_of
from dashboard.experiments.run_conditions import unlike
from dashboard.numbers import size
from services.mirror.models import RunDetail
from services.mirror.projects import Goal, goal_of

MOST = 20
_SYSTEM = ("mlflow.", "mlops.")
Verdict = Literal["better", "worse", "same", "incomparable"]


@dataclass(frozen=True, slots=True)
class Line:
    """One name and its value in each run; None where a run has none."""

    name: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Return whether the runs are not all alike in it."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric in each run, against the base."""

    name: str
    goal: Goal
    values: tuple[float | None, ...]
    deltas: tuple[float | None, ...]
    """Difference to the base; None for the base itself and where either has no number."""

    @property
    def differs(self) -> bool:
        """Return whether the runs are not all alike in it."""
        return len({_identity(value) for value in self.values}) > 1

    def verdict(self, index: int) -> Verdict:
        """Return how run ``index`` stands against the base."""
        delta = self.deltas[index]
        if delta is None or math.isnan(delta):
            return "incomparable"
        if delta == 0:
            return "same"
        return "better" if (delta > 0) == (self.goal == "max") else "worse"

    def best(self) -> int | None:
        """Return which run is best, None when no run has a finite value or all are alike."""
        finite = [(v, i) for i, v in enumerate(self.values) if v is not None and math.isfinite(v)]
        if not finite or not self.differs:
            return None
        key: Callable[[tuple[float, int]], float] = lambda pair: pair[0]  # noqa: E731 - one line
        return (max if self.goal == "max" else min)(finite, key=key)[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything the compare page draws; the base is run ``base``."""

    base: int
    metrics: tuple[MetricLine, ...]
    params: tuple[Line, ...]
    tags: tuple[Line, ...]
    environment: tuple[Line, ...]
    warnings: tuple[str, ...]


def compare(
    details: Sequence[RunDetail],
    base: int,
    goals: Mapping[str, Goal] | None = None,
    named: Callable[[str], str] = str,
) -> Comparison:
    """Return how runs differ.

    ``goals`` are the declared ones, by metric name; ``named`` returns how an owner (``run:…``) is
    called.
    """
    runs = [detail.run for detail in details]
    surroundings = [environment_of(run) for run in runs]
    tags = [{k: v for k, v in run.tags.items() if not k.startswith(_SYSTEM)} for run in runs]
    return Comparison(
        base=base,
        metrics=_metric_lines([run.metrics for run in runs], base, goals or {}),
        params=_lines([run.params for run in runs]),
        tags=_lines(tags),
        environment=_environment_lines(surroundings),
        warnings=(*_warnings(details, surroundings), *unlike(runs, base, named)),
    )


def _identity(value: float | None) -> float | str | None:
    return "NaN" if value is not None and math.isnan(value) else value


def _names(groups: Iterable[Mapping[str, object]]) -> list[str]:
    return sorted({name for group in groups for name in group})


def _lines(groups: Sequence[Mapping[str, str]]) -> tuple[Line, ...]:
    return tuple(Line(name, tuple(group.get(name) for group in groups)) for name in _names(groups))


def _metric_lines(
    groups: Sequence[Mapping[str, float]], base: int, goals: Mapping[str, Goal]
) -> tuple[MetricLine, ...]:
    lines = []
    for name in _names(groups):
        values = tuple(group.get(name) for group in groups)
        deltas = tuple(
            None if i == base else _delta(value, values[base]) for i, value in enumerate(values)
        )
        lines.append(MetricLine(name, goals.get(name) or goal_of(name), values, deltas))
    # Declared goals first: they are what the projects want to be judged by.
    return tuple(sorted(lines, key=lambda line: (line.name not in goals, line.name)))


def _delta(value: float | None, base: float | None) -> float | None:
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
        return None
    return value - base


def _environment_lines(found: Sequence[Environment]) -> tuple[Line, ...]:
    dirty = {True: "with uncommitted changes", False: "clean", None: None}
    lines = [
        Line("host", tuple(e.host for e in found)),
        Line("chip", tuple(e.chip for e in found)),
        Line("memory", tuple(size(e.memory_bytes) if e.memory_bytes else None for e in found)),
        Line("backend", tuple(backend_title(e.backend) for e in found)),
        Line("data revision", tuple(e.data_revision for e in found)),
        Line("git commit", tuple(e.git_commit and e.git_commit[:12] for e in found)),
        Line("working tree", tuple(dirty[e.git_dirty] for e in found)),
    ]
    packages = _lines([e.packages for e in found])
    lines += [Line(f"package {line.name}", line.values) for line in packages]
    return tuple(line for line in lines if any(line.values))


def _warnings(details: Sequence[RunDetail], found: Sequence[Environment]) -> Iterable[str]:
    data = _mixed("data revisions", [e.data_revision for e in found])
    speed = [
        *_mixed("backends", [backend_title(e.backend) for e in found]),
        *_mixed("hosts", [e.host for e in found]),
    ]
    projects = _mixed("projects", [detail.run.project for detail in details])
    for parts, consequence in ((data, _DATA), (speed, _SPEED), (projects, _PROJECTS)):
        if parts:
            yield f"These runs have {' and '.join(parts)}: {consequence}"
    known = [e.data_revision for e in found if e.data_revision]
    if known and not data and len(known) < len(found):
        yield "Not every run says which data revision it used: the data may differ."
    if any(e.git_dirty for e in found):
        yield (
            "Some of these runs were started with uncommitted changes: their commit does not tell "
            "what code ran."
        )
    unfinished = sum(detail.run.status != "finished" for detail in details)
    if unfinished:
        yield (
            f"{unfinished} of {len(details)} runs did not finish: their last values are not their "
            "final ones."
        )


_DATA = "a difference in quality may come from the data alone."
_SPEED = "times, throughput and memory are not like for like, and results may differ by rounding."
_PROJECTS = "a metric of the same name need not mean the same."


def _mixed(what: str, values: Sequence[str | None]) -> list[str]:
    known = sorted({value for value in values if value})
    if len(known) < 2:
        return []
    shown = ", ".join(value[:24] for value in known[:4]) + (" …" if len(known) > 4 else "")
    return [f"{len(known)} different {what} ({shown})"]
