"""What techniques cost: seconds, peak memory and joules beside quality, over their repeats.

The figures are of finished training runs, in arrays: 100,000 of them are told in milliseconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.engines.silicon.models import Quality
from services.mirror.projects import Goal
from services.mirror.text import Floats, Mask
from services.telemetry import alike

Axis = Literal["quality", "seconds", "peak_bytes", "joules"]
Figure = Literal["quality", "seconds", "peak_bytes", "joules", "per_joule"]
Memory = Literal["mlx", "processes", "none"]
Standing = Literal["alike", "unlike", "partly known", "not known"]
Places = NDArray[np.int64]

COSTS: tuple[Axis, ...] = ("seconds", "peak_bytes", "joules")
AXES: tuple[Axis, ...] = ("quality", *COSTS)
_QUARTILES_FROM = 4
NO_BASELINE = "less is better here, and there is no baseline to gain on"
BELOW_ZERO = "its quality is below 0, where more energy would look better"


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeats as their median and how far they lie apart; None is not known."""

    runs: int
    """How many have the figure."""
    median: float | None
    low: float | None
    """With four or more, the quartiles: half of the repeats lie between; with two or three, the
    least and the largest; with one, None."""
    high: float | None
    missing: tuple[tuple[str, int], ...] = ()
    """Why others have none, and how many, the most frequent reason first."""

    @property
    def lacking(self) -> int:
        """Return how many repeats have no such figure."""
        return sum(runs for _, runs in self.missing)

    @property
    def reason(self) -> str:
        """Return why there is none, empty when all have one."""
        return "; ".join(reason for reason, _ in self.missing)


@dataclass(frozen=True, slots=True)
class TechniqueCost:
    """One technique of one project."""

    technique: str
    baseline: bool
    runs: int
    """Finished training runs."""
    quality: Spread
    seconds: Spread
    peak_bytes: Spread
    joules: Spread
    per_joule: Spread
    """Quality per joule; see ``Repeats.per_joule``."""
    energy: tuple[tuple[Quality, int], ...]
    """How many of its runs have an energy of which quality, measured first."""
    machines: tuple[tuple[str, int], ...]
    """Chips (hosts where no chip is named) and how many of its runs each did, most first."""
    standing: Standing
    """Whether its runs ran on like machines under like conditions."""
    unlike: tuple[str, ...]
    """What its runs do not have in common, each a phrase after "its runs were"."""
    unknown: int
    """Runs of which nobody knows what they ran under."""

    @property
    def energy_quality(self) -> Quality:
        """Return the worst of its energies, ``unavailable`` without any."""
        return worst(self.energy)

    def of(self, figure: Figure) -> Spread:
        """Return a figure by its name."""
        found: Spread = getattr(self, figure)
        return found


@dataclass(frozen=True, slots=True)
class ProjectCosts:
    """The techniques of one project, best median quality first, those without quality last."""

    project: str
    metric: str
    goal: Goal
    memory: Memory
    """Of what all peaks are: what MLX tells of itself, or what the processes took."""
    rows: tuple[TechniqueCost, ...]
    unnamed: int
    """Finished training runs that name no technique: they are in no row."""
    cautions: tuple[str, ...]
    """Sentences: why figures of different rows may not compare."""


def counted(
    codes: NDArray[np.int32], words: Sequence[str], places: Places
) -> tuple[tuple[str, int], ...]:
    """Return each word of the runs at these places and how many have it, most first."""
    told = codes[places]
    counts = np.bincount(told[told >= 0])
    found = [(words[code], int(counts[code])) for code in np.flatnonzero(counts).tolist()]
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))


@dataclass(frozen=True, slots=True)
class Why:
    """Why figures are missing: a code a run into reasons."""

    codes: NDArray[np.int32]
    reasons: Sequence[str]

    def told(self, places: Places) -> tuple[tuple[str, int], ...]:
        """Return each reason of the runs at these places and how many have it, most first."""
        return counted(self.codes, self.reasons, places)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Finished training runs of one project, one place a run in each array."""

    project: str
    metric: str
    goal: Goal
    memory: Memory
    names: Sequence[str]
    """Techniques, by code."""
    techniques: NDArray[np.int32]
    """A code a run, −1 for none."""
    baseline: Mask
    values: dict[Axis, Floats]
    """NaN where there is none; always finite otherwise."""
    why: dict[Axis, Why]
    energy: NDArray[np.int8]
    """0 measured, 1 estimated, 2 unavailable."""
    boundaries: tuple[NDArray[np.int32], Sequence[str]]
    machines: tuple[NDArray[np.int32], Sequence[str]]
    conditions: Floats
    """Rows of ``alike.table``."""

    def groups(self) -> tuple[Places, ...]:
        """Return the places of each technique's runs."""
        order = np.argsort(self.techniques, kind="stable")
        codes = self.techniques[order]
        order, codes = order[codes >= 0], codes[codes >= 0]
        cuts = np.flatnonzero(np.diff(codes)) + 1
        return tuple(np.split(order, cuts)) if len(order) else ()

    def per_joule(self) -> tuple[Floats, str]:
        """Return each run's quality per joule, and why nobody has one, empty when some may.

        Where more is better it is the quality by the joules. Where less is better that says nothing
        (twice the energy would halve it, and a worse loss would raise it): there it is what a run
        gains on the mean of the baselines, by the joules. Runs of no energy, or of 0 J, have none.
        """
        quality, joules = self.values["quality"], self.values["joules"]
        gained = quality
        if self.goal == "min":
            base = quality[self.baseline & ~np.isnan(quality)]
            if not len(base):
                return np.full(len(quality), np.nan), NO_BASELINE
            gained = base.mean() - quality
        spent = np.where(joules > 0, joules, np.nan)
        return gained / spent, ""


def spread(values: Floats, missing: tuple[tuple[str, int], ...] = ()) -> Spread:
    """Return finite values as median and spread."""
    count = len(values)
    if not count:
        return Spread(0, None, None, None, missing)
    ends = (0.25, 0.5, 0.75) if count >= _QUARTILES_FROM else (0.0, 0.5, 1.0)
    low, median, high = np.quantile(values, ends).tolist()
    if count == 1:
        return Spread(1, median, None, None, missing)
    return Spread(count, median, low, high, missing)


def technique_costs(repeats: Repeats) -> ProjectCosts:
    """Return one row a technique."""
    per_joule, none = repeats.per_joule()
    groups = repeats.groups()
    rows = [_row(repeats, places, per_joule, none) for places in groups]
    sign = -1 if repeats.goal == "max" else 1

    def order(row: TechniqueCost) -> tuple[bool, float, str]:
        median = row.quality.median
        return (median is None, sign * (median or 0.0), row.technique)

    return ProjectCosts(
        project=repeats.project,
        metric=repeats.metric,
        goal=repeats.goal,
        memory=repeats.memory,
        rows=tuple(sorted(rows, key=order)),
        unnamed=int((repeats.techniques < 0).sum()),
        cautions=tuple(_cautions(repeats, groups)),
    )


SORTS = ("quality", "seconds", "peak_bytes", "joules", "per_joule", "technique", "runs")


def ordered(costs: ProjectCosts, by: str, means: Mapping[str, float]) -> tuple[TechniqueCost, ...]:
    """Return the techniques as ``by`` says: one of ``SORTS``, after a ``-`` worst first.

    Quality goes by ``means`` of techniques; who has no such figure stands last either way.
    """
    name, backwards = by.removeprefix("-"), by.startswith("-")
    if name == "technique":
        return tuple(sorted(costs.rows, key=lambda row: row.technique, reverse=backwards))
    more = name in {"runs", "per_joule"} or (name == "quality" and costs.goal == "max")
    sign = -1 if more != backwards else 1

    def figure(row: TechniqueCost) -> float | None:
        if name == "runs":
            return row.runs
        return means.get(row.technique) if name == "quality" else getattr(row, name).median

    def key(row: TechniqueCost) -> tuple[bool, float, str]:
        value = figure(row)
        missing = value is None or math.isnan(value)
        return (missing, 0.0 if value is None or missing else sign * value, row.technique)

    return tuple(sorted(costs.rows, key=key))


def axis_spread(repeats: Repeats, axis: Axis, places: Places) -> Spread:
    """Return a figure of the runs at these places."""
    values = repeats.values[axis][places]
    without = np.isnan(values)
    missing = repeats.why[axis].told(places[without]) if without.any() else ()
    return spread(values[~without], missing)


def _row(repeats: Repeats, places: Places, per_joule: Floats, none: str) -> TechniqueCost:
    machines = counted(*repeats.machines, places)
    rows = repeats.conditions[places]
    unknown = int((~alike.known(rows)).sum())
    unlike = (*_mixed(repeats, places, machines), *alike.differences(rows))
    return TechniqueCost(
        technique=repeats.names[int(repeats.techniques[places[0]])],
        baseline=bool(repeats.baseline[places].any()),
        runs=len(places),
        quality=axis_spread(repeats, "quality", places),
        seconds=axis_spread(repeats, "seconds", places),
        peak_bytes=axis_spread(repeats, "peak_bytes", places),
        joules=axis_spread(repeats, "joules", places),
        per_joule=_per_joule(repeats, places, per_joule, none),
        energy=energies(repeats, places),
        machines=machines,
        standing=_standing(unlike, unknown, len(places)),
        unlike=unlike,
        unknown=unknown,
    )


def _standing(unlike: Sequence[str], unknown: int, runs: int) -> Standing:
    if unlike:
        return "unlike"
    if unknown == runs:
        return "not known"
    return "partly known" if unknown else "alike"


def _per_joule(repeats: Repeats, places: Places, values: Floats, none: str) -> Spread:
    own = values[places]
    told = own[~np.isnan(own)]
    if not none and repeats.goal == "max" and (told < 0).any():
        none = BELOW_ZERO
    if none:
        return spread(told[:0], ((none, len(places)),))
    if len(told) == len(own):
        return spread(told)
    return spread(told, _lacking(repeats, places[np.isnan(own)]))


def _lacking(repeats: Repeats, places: Places) -> tuple[tuple[str, int], ...]:
    """Return why runs have no quality per joule: each by the first thing it lacks."""
    without = np.isnan(repeats.values["joules"][places])
    no_quality = ~without & np.isnan(repeats.values["quality"][places])
    nothing = int((~without & ~no_quality).sum())
    found = [*repeats.why["joules"].told(places[without])] if without.any() else []
    found += repeats.why["quality"].told(places[no_quality]) if no_quality.any() else ()
    found += [("it used 0 J, by which nothing is divided", nothing)] if nothing else []
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))


_QUALITIES: tuple[Quality, ...] = ("measured", "estimated", "unavailable")


def energies(repeats: Repeats, places: Places) -> tuple[tuple[Quality, int], ...]:
    """Return how many of these runs have an energy of which quality, measured first."""
    counts = np.bincount(repeats.energy[places], minlength=len(_QUALITIES)).tolist()
    return tuple((q, n) for q, n in zip(_QUALITIES, counts, strict=True) if n)


def worst(energy: Sequence[tuple[Quality, int]]) -> Quality:
    """Return the worst quality of the energies there are, ``unavailable`` without any."""
    told = [quality for quality, _ in energy if quality != "unavailable"]
    return "unavailable" if not told else "estimated" if "estimated" in told else "measured"


def _mixed(
    repeats: Repeats, places: Places, machines: Sequence[tuple[str, int]]
) -> tuple[str, ...]:
    """Return what makes the repeats of one technique unlike beside their conditions."""
    out = []
    if len(machines) > 1:
        out.append(f"on different chips ({_listed(machines)})")
    told = places[~np.isnan(repeats.values["joules"][places])]
    boundaries = counted(*repeats.boundaries, told)
    if len(boundaries) > 1:
        out.append(f"measured in different parts of the chip ({_listed(boundaries)})")
    return tuple(out)


def _listed(counted: Sequence[tuple[str, int]], most: int = 4) -> str:
    named = [f"{name}: {runs:,}" for name, runs in counted[:most]]
    return ", ".join([*named, "…"] if len(counted) > most else named)


def _cautions(repeats: Repeats, groups: Sequence[Places]) -> list[str]:
    """Return what makes techniques unlike each other."""
    if len(groups) < 2:
        return []
    out = []
    named = {repeats.names[int(repeats.techniques[group[0]])]: group for group in groups}
    on = {name: {m for m, _ in counted(*repeats.machines, g)} for name, g in named.items()}
    told = {name: machines for name, machines in on.items() if machines}
    if len({frozenset(machines) for machines in told.values()}) > 1:
        every = sorted(set().union(*told.values()))
        out.append(
            f"Not all techniques ran on the same chips ({', '.join(every[:4])}): seconds, memory "
            "and joules of different chips do not compare."
        )
    joules = repeats.values["joules"]
    within = {
        boundary
        for group in groups
        for boundary, _ in counted(*repeats.boundaries, group[~np.isnan(joules[group])])
    }
    if len(within) > 1:
        out.append(
            f"Joules are not of the same parts of the chip everywhere ({', '.join(sorted(within))})"
            ": what counts fewer parts looks cheaper than it is."
        )
    out += alike.between({name: repeats.conditions[group] for name, group in named.items()})
    return out
