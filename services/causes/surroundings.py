"""What is known beside the requests: their machine, the versions' training, what happened.

What cannot be read is a sentence in the place of a figure; it stops nothing else.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from services.causes.case import OWN, Holder, Numbers, Other, Rows, Training
from services.errors import MlopsError
from services.mirror.queries import Mirror
from services.serving.store import Event
from services.telemetry.models import OwnerUse, Series, Telemetry

_METRICS = {
    "thermal": "thermal_level", "pressure": "memory_pressure", "low_power": "low_power_mode",
    "swap": "swap_in_bytes_s", "clock": "gpu_mhz",
}  # fmt: skip
_BUSY = "gpu_ratio"
_POINTS = 600
_SERVED_S = 600.0
"""Of each side so long its model servers are counted: processes are in single samples alone."""
_SAMPLE_S = 10.0
_OURS = ("engine:gateway", "engine:serving", "engine:predictions")
"""What works more when an endpoint is asked more is no neighbour of it."""
_LEVELS = (0.2, 0.5, 0.8)
"""Shares of the machine from which on others use some, much and most of it."""
_ROSE = 0.01
"""Share of the machine by which the use of one rises, at least, to be told."""
_WORKING = 0.5
_BEGAN = frozenset(("restarted", "woken"))
_SAID = 160


@dataclass(frozen=True, slots=True)
class Machine:
    """What telemetry tells of one side."""

    known: Mapping[str, Numbers]
    use: Mapping[tuple[str, str], float]
    """Owner and project → share of the busier of CPU and GPU that it had; not of ``OWN``."""
    own: float | None = None
    """The share of the endpoint's own model servers; None: no use is kept of that time."""
    memory: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Owner and project → bytes that it held on average; ``OWN`` among them."""


def host_of(*sides: Rows) -> str:
    """Return the machine that answered most, empty when none is told; the newest side first."""
    for rows in sides:
        named = Counter(one for one in rows.host if one)
        if named:
            return str(max(named, key=lambda one: (named[one], one)))
    return ""


def machine(telemetry: Telemetry, host: str, name: str, rows: Rows) -> Machine:
    """Return what a machine did while requests came.

    Args:
        telemetry: The store.
        host: Of the machine.
        name: Of the endpoint, as telemetry calls its model servers' owner.
        rows: The requests, in order of time.

    Raises:
        MlopsError: No such machine, or its telemetry cannot be read.
    """
    if not len(rows):
        return Machine({}, {})
    begin, end = _moment(float(rows.at[0]) - 1), _moment(float(rows.at[-1]) + 1)
    series = telemetry.series(host, (*_METRICS.values(), _BUSY), begin, end, _POINTS)
    found = {one.metric: _at(one, rows.at) for one in series}
    working = found.get(_BUSY, np.full(len(rows), np.nan))
    known: dict[str, Numbers] = {}
    for fact, metric in _METRICS.items():
        told = getattr(rows, fact)
        read = found.get(metric, np.full(len(rows), np.nan))
        known[fact] = np.where(np.isfinite(told), told, read)
    # An idle GPU's clock is low because it is idle.
    known["clock"] = np.where(np.nan_to_num(working) >= _WORKING, known["clock"], np.nan)
    uses = telemetry.owners(host, begin, end, _POINTS)
    known["others"], use = _others(uses, name, rows.at, _cores(telemetry, host))
    known["replicas"] = _servers(telemetry, host, name, rows.at)
    mine = rows.host == host
    return Machine(
        {one: np.where(mine, values, np.nan) for one, values in known.items()},
        {key: had for key, had in use.items() if key[0] != OWN},
        sum(had for key, had in use.items() if key[0] == OWN) if uses else None,
        _memory(uses, name),
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _at(series: Series, at: Numbers) -> Numbers:
    """Return a metric at some moments, NaN where nothing was sampled."""
    if not series.times:
        return np.full(len(at), np.nan)
    times = np.array([one.timestamp() for one in series.times])
    values = np.array([np.nan if one is None else one for one in series.mean], dtype=float)
    place = np.searchsorted(times, at, side="right") - 1
    reach = max(series.bucket_s, _SAMPLE_S)
    near = (place >= 0) & (at < times[np.maximum(place, 0)] + reach)
    return np.where(near, values[np.maximum(place, 0)], np.nan)


def _cores(telemetry: Telemetry, host: str) -> int:
    for one in telemetry.hosts():
        if one.machine.host == host:
            return sum(tier.cores for tier in one.machine.tiers)
    return 0


def _others(
    uses: Sequence[OwnerUse], name: str, at: Numbers, cores: int
) -> tuple[Numbers, Mapping[tuple[str, str], float]]:
    """Return how much others used the machine around some moments, and how much each, own too."""
    cpu: dict[float, float] = {}
    gpu: dict[float, float] = {}
    use: dict[tuple[str, str], float] = {}
    width = uses[0].bucket_s if uses else 0.0
    for one in uses:
        begin = one.at.timestamp()
        cpu.setdefault(begin, 0.0)
        gpu.setdefault(begin, 0.0)
        if one.owner in _OURS:
            continue
        on_cpu = (one.cpu_s or 0.0) / one.bucket_s / cores if cores else 0.0
        on_gpu = (one.gpu_s or 0.0) / one.bucket_s
        key = _key(one, name)
        if key[0] != OWN:
            cpu[begin] += on_cpu
            gpu[begin] += on_gpu
        use[key] = use.get(key, 0.0) + max(on_cpu, on_gpu)
    begins = sorted(cpu)
    levels = [_level(max(cpu[begin], gpu[begin])) for begin in begins]
    found = np.full(len(at), np.nan)
    for place, moment in enumerate(at.tolist()):
        before = bisect_right(begins, moment) - 1
        if before >= 0 and moment < begins[before] + width:
            found[place] = levels[before]
    count = max(1, len(begins))
    return found, {key: min(1.0, value / count) for key, value in use.items()}


def _key(one: OwnerUse, name: str) -> tuple[str, str]:
    return (OWN, "") if _is_ours(one.owner, name) else (one.owner, one.project)


def _level(used: float) -> float:
    return float(bisect_right(_LEVELS, used))


def _memory(uses: Sequence[OwnerUse], name: str) -> Mapping[tuple[str, str], float]:
    """Return what each held on average of the stretches in which anything was seen."""
    held: dict[tuple[str, str], float] = {}
    for one in uses:
        key = _key(one, name)
        held[key] = held.get(key, 0.0) + (one.memory_bytes or 0)
    count = max(1, len({one.at for one in uses}))
    return {key: value / count for key, value in held.items()}


def _is_ours(owner: str, name: str) -> bool:
    return owner.startswith(f"replica:{named(name)}:")


def named(endpoint: str) -> str:
    """Return an endpoint's name as telemetry has it."""
    return "".join("_" if letter.isspace() else letter for letter in endpoint)


def _servers(telemetry: Telemetry, host: str, name: str, at: Numbers) -> Numbers:
    """Return how many model servers there were around the newest of some moments."""
    end = _moment(float(at[-1]) + 1)
    begin = max(_moment(float(at[0]) - 1), end - timedelta(seconds=_SERVED_S))
    samples = telemetry.samples(host, begin, end)
    found = np.full(len(at), np.nan)
    times = np.array([one.at.timestamp() for one in samples])
    counts = [len({p.pid for p in one.processes if _is_ours(p.owner, name)}) for one in samples]
    if not any(counts):
        return found
    place = np.searchsorted(times, at, side="right") - 1
    near = (place >= 0) & (at < times[np.maximum(place, 0)] + _SAMPLE_S)
    return np.where(near, np.array(counts, dtype=float)[np.maximum(place, 0)], np.nan)


def neighbours(then: Machine, now: Machine) -> tuple[Other, ...]:
    """Return who else used the machine, whose use rose by most first."""
    keys = then.use.keys() | now.use.keys()
    found = [Other(*key, then.use.get(key, 0.0), now.use.get(key, 0.0)) for key in keys]
    rising = [one for one in found if one.now - one.then >= _ROSE]
    return tuple(sorted(rising, key=lambda one: (one.then - one.now, one.owner, one.project)))


def own(then: Machine, now: Machine) -> tuple[float, float] | None:
    """Return the share of the endpoint's own model servers then and now, None where not known."""
    return None if then.own is None or now.own is None else (then.own, now.own)


def holders(then: Machine, now: Machine) -> tuple[Holder, ...]:
    """Return who holds more memory than before, the one that grew most first."""
    if not then.memory or not now.memory:
        return ()
    keys = then.memory.keys() | now.memory.keys()
    found = [Holder(*key, then.memory.get(key, 0.0), now.memory.get(key, 0.0)) for key in keys]
    grown = [one for one in found if one.grown_bytes > 0]
    return tuple(sorted(grown, key=lambda one: (-one.grown_bytes, one.owner, one.project)))


def trainings(
    mirror: Mirror, project: str, model: str, versions: Sequence[int]
) -> tuple[dict[int, Training], tuple[str, ...]]:
    """Return what versions were made of, and why that is not known of some."""
    found: dict[int, Training] = {}
    try:
        known = {one.version: one for one in mirror.model(project, model).versions}
    except MlopsError as error:
        return {}, (f"What versions were trained with: {error.message}",)
    for number in versions:
        one = known.get(number)
        if one is None:
            continue
        tags = dict(one.tags) | (_run_tags(mirror, one.run_id) if one.run_id else {})
        found[number] = Training(
            number,
            one.data_revision or tags.get("mlops.data.revision", ""),
            one.git_commit or tags.get("mlops.git.commit", ""),
            _packages(tags.get("mlops.packages", "")),
            one.technique or tags.get("mlops.technique", ""),
        )
    return found, ()


def _run_tags(mirror: Mirror, run_id: str) -> dict[str, str]:
    try:
        return dict(mirror.run(run_id).run.tags)
    except MlopsError:  # it was removed: the version's own tags are what is left
        return {}


def _packages(text: str) -> Mapping[str, str]:
    try:
        said = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}


def began(events: Sequence[Event], since: float, until: float) -> tuple[Event, ...]:
    """Return the ends and begins of model servers in a stretch of time, the newest first."""
    return tuple(one for one in events if one.kind in _BEGAN and since <= one.at < until)


def said_of(event: Event) -> str:
    """Return a line of the history as evidence."""
    first = event.said.splitlines()[0] if event.said else event.kind
    return f"{_moment(event.at):%Y-%m-%d %H:%M:%S UTC}: {first[:_SAID]}"
