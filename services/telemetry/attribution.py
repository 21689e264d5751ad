"""Who used a machine: GPU time, CPU time, memory and energy of an interval, shared out by owner.

The energy of the GPU goes by GPU time, that of the CPU by CPU time, window by window. What nobody
can be charged with is named, with the reason. Nothing is filled in here: shares, what belongs to
nobody here and what is not attributed add up to what was measured.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from services.engines.silicon.models import Machine, ProcessUse, Sample
from services.telemetry.energy import COMPONENTS, joules
from services.telemetry.figures import (
    Figure,
    estimated,
    measured,
    share,
    unavailable,
    why_missing,
)
from services.telemetry.shares import (
    ALLOCATED,
    NEARLY_ALL,
    OTHERS,
    Attribution,
    ComponentShare,
    OwnerShare,
    Rest,
)
from services.telemetry.spans import Span, coverage, spans

_NOBODY_BUSY = "nothing was busy on it"
_NOT_TOLD = "the use of some processes is not told"
_ANE = "the use of the Neural Engine cannot be read"


@dataclass(slots=True)
class _Part:
    """Running sums of one owner and component."""

    seconds: float | None = None
    joules: float = 0.0
    sole_j: float = 0.0
    """Of these, joules of windows in which it had nearly all."""
    told_s: float = 0.0
    used_s: float = 0.0


@dataclass(slots=True)
class _Tally:
    """Running sums of an interval."""

    parts: dict[tuple[str, str], _Part] = field(default_factory=dict)
    rest: dict[tuple[str, str], float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    sure_j: dict[str, float] = field(default_factory=dict)

    def part(self, owner: str, component: str) -> _Part:
        return self.parts.setdefault((owner, component), _Part())

    def leave(self, component: str, reason: str, energy_j: float) -> None:
        if energy_j > 0:
            key = (component, reason)
            self.rest[key] = self.rest.get(key, 0.0) + energy_j


@dataclass(frozen=True, slots=True)
class _Had:
    """What an owner had of one component in one window."""

    joules: float
    sure: bool
    """Whether the machine's busy time is told, so that nobody unseen can have had a part of it."""
    sole: bool
    """Whether it surely had nearly all."""


@dataclass(frozen=True, slots=True)
class _Use:
    """Busy time of one component in one window."""

    by_owner: Mapping[str, float]
    unknown: frozenset[str]
    """Owners whose processes are there, but whose time is not told."""
    whole_s: float | None
    """Busy time of the machine; None when not told."""


def attribute(
    samples: Iterable[Sample], start: datetime, end: datetime, machine: Machine | None = None
) -> Attribution:
    """Share ``[start, end)`` of one host out.

    Args:
        samples: Of one host; they should reach one sample over the end (``spans.REACH_S``).
        start: Begin, aware.
        end: End, aware; later than the begin.
        machine: For its number of cores. Without it, what the CPU did for processes that are not
            listed is not known, and its energy is shared among the listed ones.
    """
    found = spans(samples, start, end)
    cores = sum(tier.cores for tier in machine.tiers) if machine else 0
    gpu_told = any(use.gpu_s is not None for span in found for use in span.processes)
    tally = _Tally()
    for span in found:
        _window(tally, span, cores, gpu_told=gpu_told)
    totals = {
        name: measured(tally.totals[name])
        if name in tally.totals
        else unavailable(why_missing((s.readings.get(metric) for s in found), metric))
        for name, metric in COMPONENTS.items()
    }
    return Attribution(
        start=start,
        end=end,
        coverage=coverage(found, start, end),
        shares=_shares(tally, found, totals),
        rest=tuple(
            Rest(component, energy_j, reason)
            for (component, reason), energy_j in sorted(tally.rest.items())
        ),
        totals=totals,
    )


def _window(tally: _Tally, span: Span, cores: int, *, gpu_told: bool) -> None:
    uses = {
        "cpu": _use(span, _cpu_s, _whole(span.value("cpu_ratio"), span, cores)),
        "gpu": _use(
            span,
            partial(_gpu_s, gpu_told=gpu_told),
            _whole(span.value("gpu_ratio"), span, 1),
        ),
    }
    had: dict[str, list[_Had]] = {}
    whole_j = 0.0
    for component, use in uses.items():
        energy_j = joules(span, COMPONENTS[component])
        whole_j += energy_j or 0.0
        for owner, one in _component(tally, span, component, use, energy_j).items():
            had.setdefault(owner, []).append(one)
    for owner, parts in had.items():
        own_j = sum(part.joules for part in parts)
        sole = own_j >= NEARLY_ALL * whole_j and all(part.sure for part in parts)
        sure_j = own_j if sole else sum(part.joules for part in parts if part.sole)
        tally.sure_j[owner] = tally.sure_j.get(owner, 0.0) + sure_j
    _neural_engine(tally, span, had, whole_j)


def _component(
    tally: _Tally, span: Span, component: str, use: _Use, energy_j: float | None
) -> dict[str, _Had]:
    """Add one component of one window, and return what each owner had, others included."""
    for owner, seconds in use.by_owner.items():
        part = tally.part(owner, component)
        part.seconds = (part.seconds or 0.0) + seconds
        part.used_s += span.seconds
    if energy_j is None:
        return {}
    tally.totals[component] = tally.totals.get(component, 0.0) + energy_j
    fractions, left, reason = _fractions(use)
    tally.leave(component, reason, left * energy_j)
    sure = use.whole_s is not None
    had = {
        owner: _Had(fraction * energy_j, sure, sure and fraction >= NEARLY_ALL)
        for owner, fraction in fractions.items()
    }
    for owner, one in had.items():
        part = tally.part(owner, component)
        part.joules += one.joules
        part.told_s += span.seconds
        part.sole_j += one.joules if one.sole else 0.0
    return had


def _fractions(use: _Use) -> tuple[dict[str, float], float, str]:
    """Return each owner's share of a component, what is left, and why that is left."""
    known_s = sum(use.by_owner.values())
    if use.whole_s is None and use.unknown:
        return {}, 1.0, f"{_NOT_TOLD}, nor that of the machine"
    whole_s = max(use.whole_s or 0.0, known_s)
    if whole_s <= 0:
        # Nobody is charged with an idle component, but that who was there used nothing is known.
        return dict.fromkeys(use.by_owner, 0.0), 1.0, _NOBODY_BUSY
    fractions = {owner: seconds / whole_s for owner, seconds in use.by_owner.items()}
    left = max(0.0, 1.0 - sum(fractions.values())) if use.unknown else 0.0
    return fractions, left, _NOT_TOLD


def _neural_engine(
    tally: _Tally, span: Span, had: Mapping[str, Sequence[_Had]], whole_j: float
) -> None:
    """Charge the Neural Engine to who had nearly all of the rest; its own use cannot be read."""
    energy_j = joules(span, COMPONENTS["ane"])
    if energy_j is None:
        return
    tally.totals["ane"] = tally.totals.get("ane", 0.0) + energy_j
    bound_j = NEARLY_ALL * whole_j
    sole = next((o for o, p in had.items() if sum(one.joules for one in p) >= bound_j > 0), None)
    for owner in had:
        part = tally.part(owner, "ane")
        part.joules += energy_j if owner == sole else 0.0
        part.told_s += span.seconds if owner == sole or energy_j == 0 else 0.0
    if sole is None:
        tally.leave("ane", _ANE, energy_j)


def _cpu_s(use: ProcessUse) -> float | None:
    return use.cpu_s


def _gpu_s(use: ProcessUse, *, gpu_told: bool) -> float | None:
    # The system lists every process that opened the GPU. Where it does, one that is not listed did
    # not use it; but one that is seen for the first time has no difference yet, of CPU time either.
    if use.gpu_s is None and gpu_told and use.cpu_s is not None:
        return 0.0
    return use.gpu_s


def _whole(ratio: float | None, span: Span, units: int) -> float | None:
    return None if ratio is None or not units else max(0.0, ratio) * units * span.seconds


def _use(
    span: Span, seconds_of: Callable[[ProcessUse], float | None], whole_s: float | None
) -> _Use:
    """Return the busy time of each owner in a span.

    Others are listed only now and then, and only the busiest: they are what remains of the
    machine's busy time. Where that is not told, the listed ones are all that is known of them.
    """
    by_owner: dict[str, float] = {}
    silent: set[str] = set()
    for use in span.processes:
        seconds = seconds_of(use)
        if use.owner == OTHERS and whole_s is not None:
            continue
        if seconds is None:
            silent.add(use.owner)
        else:
            by_owner[use.owner] = by_owner.get(use.owner, 0.0) + max(0.0, seconds) * span.part
    unknown = frozenset(silent - by_owner.keys())
    if whole_s is not None and not unknown:
        by_owner[OTHERS] = max(0.0, whole_s - sum(by_owner.values()))
    return _Use(by_owner, unknown, whole_s)


def _shares(
    tally: _Tally, found: Sequence[Span], totals: Mapping[str, Figure]
) -> tuple[OwnerShare, ...]:
    projects: dict[str, str] = {}
    seen: dict[str, float] = {}
    for span in found:
        for use in span.processes:
            projects[use.owner] = use.project or projects.get(use.owner, "")
        for owner in {use.owner for use in span.processes}:
            seen[owner] = seen.get(owner, 0.0) + span.seconds
    owners = dict.fromkeys([*seen, *(owner for owner, _ in tally.parts)])
    shares = [
        OwnerShare(
            owner=owner,
            project=projects.get(owner, ""),
            components={
                name: _component_share(tally, owner, name, totals[name])
                for name in COMPONENTS
                if name != "ane" or (owner, "ane") in tally.parts
            },
            seen_s=seen.get(owner, 0.0),
            sure_j=tally.sure_j.get(owner, 0.0),
            peak_memory_bytes=_peak(found, owner, "memory_bytes"),
            peak_mlx_bytes=_peak(found, owner, "mlx_peak_bytes"),
        )
        for owner in owners
    ]
    return tuple(sorted(shares, key=_order))


def _order(one: OwnerShare) -> tuple[float, float, str]:
    busy = sum(part.seconds or 0.0 for part in one.components.values())
    return (-(one.energy.value or 0.0), -busy, one.owner)


def _component_share(tally: _Tally, owner: str, component: str, total: Figure) -> ComponentShare:
    part = tally.parts.get((owner, component), _Part())
    if part.told_s:
        sole = part.joules == 0 or share(part.sole_j, part.joules) >= NEARLY_ALL
        # The Neural Engine is charged as a whole or not at all.
        whole = sole or component == "ane"
        figure = measured(part.joules) if whole else estimated(part.joules, ALLOCATED)
    elif total.value is None:
        figure = unavailable(f"no power of the {component.upper()}: {total.reason}")
    else:
        figure = unavailable(f"its use of the {component.upper()} was not told")
    return ComponentShare(part.seconds, figure, part.told_s, part.used_s)


def _peak(found: Sequence[Span], owner: str, name: str) -> int | None:
    """Return the most that an owner's processes had together in one sample."""
    peaks = []
    for span in found:
        values = [getattr(use, name) for use in span.processes if use.owner == owner]
        known = [value for value in values if value is not None]
        if known:
            peaks.append(sum(known))
    return max(peaks, default=None)
