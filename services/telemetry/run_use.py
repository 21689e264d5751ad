"""What one run used: joules, CPU and GPU seconds, peak memory; as metrics and tags of the run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.engines.silicon.models import Machine, Sample
from services.telemetry.attribution import attribute
from services.telemetry.energy import COMPONENTS, MachineEnergy, filled, machine_energy
from services.telemetry.figures import (
    NOT_SAMPLED,
    Figure,
    estimated,
    measured,
    share,
    unavailable,
)
from services.telemetry.shares import ComponentShare, OwnerShare

_NAMES = {"cpu": "CPU", "gpu": "GPU", "ane": "Neural Engine"}


@dataclass(frozen=True, slots=True)
class RunUse:
    """One run's share of its machine while it ran."""

    seconds: float
    energy: Figure
    """J within the boundary, idle power not subtracted."""
    boundary: str
    """What the energy is of: ``cpu+gpu+ane`` or less; empty when there is none."""
    mean_w: Figure
    cpu_s: Figure
    gpu_s: Figure
    peak_memory_bytes: Figure
    peak_mlx_bytes: Figure
    machine: MachineEnergy
    """Of the whole machine in the same time, to be shown beside."""
    coverage: float
    """Share of the run that samples speak for, 0–1."""

    def metrics(self) -> dict[str, float]:
        """Return what is known, by the names of the run's metrics; what is not known is absent."""
        figures = {
            "system/energy_j": self.energy,
            "system/mean_power_w": self.mean_w,
            "system/cpu_s": self.cpu_s,
            "system/gpu_s": self.gpu_s,
            "system/peak_memory_bytes": self.peak_memory_bytes,
            "system/mlx_peak_bytes": self.peak_mlx_bytes,
        }
        return {name: fig.value for name, fig in figures.items() if fig.value is not None}

    def tags(self) -> dict[str, str]:
        """Return what has to be known of the energy, by the names of the run's tags."""
        found: dict[str, str] = {"mlops.energy.quality": self.energy.quality}
        if self.boundary:
            found["mlops.energy.boundary"] = self.boundary
        if self.energy.reason:
            found["mlops.energy.reason"] = self.energy.reason
        return found


def use_of_run(
    samples: Iterable[Sample],
    start: datetime,
    end: datetime,
    owner: str,
    machine: Machine | None = None,
) -> RunUse:
    """Return what ``owner`` used in ``[start, end)``, gaps of less than half of it filled.

    Args:
        samples: Of the run's host; they should reach one sample over the end (``spans.REACH_S``).
        start: When the run began, aware.
        end: When it ended, aware; later than the begin.
        owner: ``run:<run_id>``.
        machine: For its number of cores.
    """
    samples = tuple(samples)
    seconds = (end - start).total_seconds()
    whole = attribute(samples, start, end, machine)
    beside = machine_energy(samples, start, end)
    own = whole.of(owner)
    if own is None:
        return _unseen(seconds, whole.coverage, beside)
    energy, boundary = _energy(own, seconds)
    return RunUse(
        seconds=seconds,
        energy=energy,
        boundary=boundary,
        mean_w=_mean(energy, seconds),
        cpu_s=_time(own.components["cpu"], seconds, "CPU time"),
        gpu_s=_time(own.components["gpu"], seconds, "GPU time"),
        peak_memory_bytes=_peak(own.peak_memory_bytes, "no memory was told of its processes"),
        peak_mlx_bytes=_peak(own.peak_mlx_bytes, "its processes told nothing of MLX"),
        machine=beside,
        coverage=whole.coverage,
    )


def _unseen(seconds: float, coverage: float, beside: MachineEnergy) -> RunUse:
    reason = "none of its processes was seen in the samples" if coverage else NOT_SAMPLED
    none = unavailable(reason)
    return RunUse(seconds, none, "", none, none, none, none, none, beside, coverage)


def _energy(own: OwnerShare, seconds: float) -> tuple[Figure, str]:
    """Return the run's joules and what they are of; estimated ones say what they rest on."""
    parts = {
        name: _joules(part, seconds, name)
        for name, part in own.components.items()
        if name in COMPONENTS
    }
    within = [name for name in COMPONENTS if name in parts and parts[name].value is not None]
    if not within:
        return unavailable(next(iter(parts.values())).reason), ""
    total = sum(parts[name].value or 0.0 for name in within)
    reasons = [own.energy.reason] if own.energy.quality == "estimated" else []
    reasons += [parts[name].reason for name in within if parts[name].reason]
    reasons += [
        f"without the {_NAMES[name]} ({parts[name].reason})"
        for name in ("cpu", "gpu")
        if name not in within
    ]
    said = "; ".join(dict.fromkeys(reasons))
    return (estimated(total, said) if said else measured(total)), "+".join(within)


def _joules(part: ComponentShare, seconds: float, name: str) -> Figure:
    if part.joules.value is None:
        return part.joules
    return filled(part.joules.value, share(part.told_s, seconds), f"its {_NAMES[name]} energy")


def _time(part: ComponentShare, seconds: float, what: str) -> Figure:
    if part.seconds is None:
        return unavailable(f"nobody told its {what}")
    return filled(part.seconds, share(part.used_s, seconds), f"its {what}")


def _mean(energy: Figure, seconds: float) -> Figure:
    if energy.value is None or seconds <= 0:
        return unavailable(energy.reason or "it took no time")
    watts = energy.value / seconds
    return estimated(watts, energy.reason) if energy.quality == "estimated" else measured(watts)


def _peak(count: int | None, reason: str) -> Figure:
    return unavailable(reason) if count is None else measured(float(count))
