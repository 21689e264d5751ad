"""What a run ran under, small enough for a tag, and when two runs cannot be compared for it."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from services.engines.silicon.models import Machine, Sample
from services.telemetry.attribution import attribute
from services.telemetry.figures import share
from services.telemetry.shares import OTHERS, Attribution
from services.telemetry.spans import Span, coverage, spans

VERSION = 1
"""Of the JSON. A reader takes no other."""

_NAMED = 3
"""How many of those who used the machine beside are named."""

_NOTICEABLE = 0.01
_FALLBACK_GPU, _FALLBACK_CORES = 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who used the machine beside the run."""

    who: str
    """An owner; empty for all that belongs to nobody here."""
    cpu: float | None
    """Mean share of all cores, 0–1."""
    gpu: float | None
    """Share of the time on the GPU, 0–1."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of a machine over an interval. None is "not known", never "fine"."""

    host: str
    seconds: float
    coverage: float
    """Share of the interval that samples speak for, 0–1."""
    chip: str | None = None
    gpu_cores: int | None = None
    thermal_max: int | None = None
    thermal_mean: float | None = None
    thermal_s: Mapping[str, float] | None = None
    """Seconds at each level that occurred."""
    low_power: float | None = None
    """Share of the known time in Low Power Mode, 0–1; so are the three below."""
    battery: float | None = None
    pressure: float | None = None
    """At memory pressure 2 or above."""
    pressure_max: int | None = None
    swap_in_bytes: float | None = None
    fallback: bool | None = None
    """Whether the run computed on the CPU though it was meant for the GPU."""
    neighbours: tuple[Neighbour, ...] | None = None
    """Who used more than a hundredth of the machine beside the run, most first."""

    @property
    def throttled(self) -> float | None:
        """Return the share of the known time at a thermal level above 0."""
        if self.thermal_s is None:
            return None
        hot = sum(seconds for level, seconds in self.thermal_s.items() if level != "0")
        return share(hot, sum(self.thermal_s.values()))

    def beside(self, component: str) -> float | None:
        """Return the share of ``cpu`` or ``gpu`` that neighbours had; None when nobody told."""
        if self.neighbours is None:
            return None
        parts = [getattr(one, component) for one in self.neighbours]
        known = [part for part in parts if part is not None]
        return sum(known) if known or not parts else None

    def to_json(self) -> str:
        """Return it as compact JSON: unknown fields left out, figures to three digits."""
        said = {name: _short(value) for name, value in asdict(self).items() if value is not None}
        return json.dumps({"v": VERSION, **said}, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Conditions | None:
    """Return what ``to_json`` wrote; None when it is anything else: the tag is anybody's to set."""
    try:
        said = json.loads(text)
        if not isinstance(said, dict) or said.pop("v", None) != VERSION:
            return None
        return _checked({name: said[name] for name in _FIELDS if name in said})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


_FIELDS = tuple(field.name for field in fields(Conditions))


def conditions(
    samples: Iterable[Sample],
    start: datetime,
    end: datetime,
    *,
    host: str,
    owner: str = "",
    machine: Machine | None = None,
    meant_for_gpu: bool | None = None,
) -> Conditions:
    """Return what ``[start, end)`` was like on a host.

    Args:
        samples: Of the host; they should reach one sample over the end (``spans.REACH_S``).
        start: Begin, aware.
        end: End, aware; later than the begin.
        host: Its id.
        owner: Whose run it is: everybody else is a neighbour. Empty: nobody's.
        machine: For chip and cores.
        meant_for_gpu: Whether the run was to compute on the GPU, by what it said of itself.
    """
    samples = tuple(samples)
    found = spans(samples, start, end)
    seconds = (end - start).total_seconds()
    shared = attribute(samples, start, end, machine)
    levels = _seconds_at(found, "thermal_level")
    known_s = sum(levels.values())
    pressures = _seconds_at(found, "memory_pressure")
    return Conditions(
        host=host,
        seconds=seconds,
        coverage=coverage(found, start, end),
        chip=machine.chip if machine else None,
        gpu_cores=machine.gpu_cores if machine else None,
        thermal_max=max(levels, default=None),
        thermal_mean=sum(k * s for k, s in levels.items()) / known_s if known_s else None,
        thermal_s={str(level): levels[level] for level in sorted(levels)} or None,
        low_power=time_share(found, "low_power_mode", 1),
        battery=time_share(found, "on_battery", 1),
        pressure=time_share(found, "memory_pressure", 2),
        pressure_max=max(pressures, default=None),
        swap_in_bytes=_total(found, "swap_in_bytes_s"),
        fallback=_fallback(shared, found, owner, meant_for_gpu=meant_for_gpu),
        neighbours=neighbours(shared, found, owner, machine),
    )


def time_share(found: Sequence[Span], metric: str, least: float) -> float | None:
    """Return the share of the time with a value at ``least`` or above; None when none is known."""
    known = [(span.seconds, value) for span in found if (value := span.value(metric)) is not None]
    whole = sum(seconds for seconds, _ in known)
    return share(sum(s for s, value in known if value >= least), whole) if whole else None


def mean(found: Sequence[Span], metric: str) -> float | None:
    """Return the mean of a metric over the time in which it is known; None when it never is."""
    known = [(span.seconds, value) for span in found if (value := span.value(metric)) is not None]
    whole = sum(seconds for seconds, _ in known)
    return sum(seconds * value for seconds, value in known) / whole if whole else None


def neighbours(
    shared: Attribution, found: Sequence[Span], owner: str, machine: Machine | None
) -> tuple[Neighbour, ...] | None:
    """Return who used more than a hundredth of the machine beside ``owner``, most first.

    None when nobody told: neither processes nor how busy the machine was.
    """
    cores = sum(tier.cores for tier in machine.tiers) if machine else 0
    seconds = sum(span.seconds for span in found)
    if not seconds or not shared.shares:
        return None
    out = []
    for one in shared.shares:
        if one.owner == owner != OTHERS:
            continue
        cpu_s, gpu_s = one.components["cpu"].seconds, one.components["gpu"].seconds
        cpu = cpu_s / seconds / cores if cpu_s is not None and cores else None
        gpu = gpu_s / seconds if gpu_s is not None else None
        if max(cpu or 0.0, gpu or 0.0) >= _NOTICEABLE:
            out.append(Neighbour(one.owner, cpu, gpu))
    out.sort(key=lambda one: (-(one.cpu or 0.0) - (one.gpu or 0.0), one.who))
    return tuple(out[:_NAMED])


def _fallback(
    shared: Attribution, found: Sequence[Span], owner: str, *, meant_for_gpu: bool | None
) -> bool | None:
    """Return whether a run meant for the GPU left it idle and kept a core busy (FACTS: Apple)."""
    own = shared.of(owner) if owner else None
    gpu, seconds = mean(found, "gpu_ratio"), sum(span.seconds for span in found)
    if own is None or gpu is None or not meant_for_gpu or not seconds:
        return False if meant_for_gpu is False else None
    cpu_s = own.components["cpu"].seconds
    if cpu_s is None:
        return None
    return gpu < _FALLBACK_GPU and cpu_s / seconds >= _FALLBACK_CORES


def _seconds_at(found: Sequence[Span], metric: str) -> dict[int, float]:
    out: dict[int, float] = {}
    for span in found:
        value = span.value(metric)
        if value is not None:
            out[round(value)] = out.get(round(value), 0.0) + span.seconds
    return out


def _total(found: Sequence[Span], metric: str) -> float | None:
    values = [span.seconds * value for span in found if (value := span.value(metric)) is not None]
    return sum(values) if values else None


def _short(value: Any) -> Any:  # noqa: ANN401 - of any field
    if isinstance(value, float):
        return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items() if item is not None}
    return [_short(item) for item in value] if isinstance(value, (list, tuple)) else value


def _checked(said: dict[str, Any]) -> Conditions:
    """Return read JSON as conditions.

    Raises:
        TypeError: A field is missing or not of its kind.
        ValueError: A figure is not finite.
    """
    for name, kinds in _KINDS.items():
        if name in said and (not isinstance(said[name], kinds) or _odd(said[name], kinds)):
            raise TypeError(name)
    for seconds in said.get("thermal_s", {}).values():
        _number(seconds)
    if "neighbours" in said:
        said["neighbours"] = tuple(
            Neighbour(str(one["who"]), _number(one.get("cpu")), _number(one.get("gpu")))
            for one in said["neighbours"]
        )
    return Conditions(**said)


_NUMBER = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    "host": (str,), "chip": (str,), "seconds": _NUMBER, "coverage": _NUMBER, "gpu_cores": (int,),
    "thermal_max": (int,), "thermal_mean": _NUMBER, "thermal_s": (dict,), "low_power": _NUMBER,
    "battery": _NUMBER, "pressure": _NUMBER, "pressure_max": (int,), "swap_in_bytes": _NUMBER,
    "fallback": (bool,), "neighbours": (list,),
}  # fmt: skip


def _odd(value: object, kinds: tuple[type, ...]) -> bool:
    """Return whether a number is none, or a truth value stands for one."""
    if isinstance(value, bool):
        return bool not in kinds
    return isinstance(value, float) and not math.isfinite(value)


def _number(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, _NUMBER) or _odd(value, _NUMBER):
        raise TypeError("not a number")
    return float(value)
