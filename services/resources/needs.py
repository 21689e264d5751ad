"""How much memory a job will need: what is declared, else what its last runs really took."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.mirror.models import Run, RunQuery
from services.mirror.queries import Mirror
from services.projects.contract import Contract
from services.resources.models import GIB, Needs, gib

LOOKED_AT = 10
"""Newest runs whose peaks count; older ones were other code."""
FEW = 5
MARGIN_OF_FEW = 0.25
MARGIN = 0.15
"""The most ever seen, not a quantile: memory that is short by one run's peak kills that run. The
margins are ours, no figure is published; of few runs it is wider."""
AFTER_KILL = 1.5
"""A run that was killed for memory would have taken more: it counts half as much again."""

_GB = 1_000_000_000
_TRAINED = "status = finished and not tags.mlops.role = evaluation"
"""An evaluation takes little: ten of them would hide what training takes."""
_COLUMNS = ("metrics.system/peak_memory_bytes", "metrics.system/mlx_peak_bytes",
            "metrics.system/energy_j")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastRun:
    """What one earlier run of the same project took."""

    run_id: str
    ended_at: float
    """Seconds since 1970."""
    seconds: float
    peak_bytes: int | None
    """The larger of what its processes took and what MLX tells of itself; None: not measured."""
    energy_j: float | None = None
    killed: bool = False
    """It was ended for want of memory."""


def past_runs(mirror: Mirror, project: str, limit: int = LOOKED_AT) -> tuple[PastRun, ...]:
    """Return the newest finished runs of a project that trained something, newest first.

    Runs that were killed for memory are known to who saw them end; see ``PastRun.killed``.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    query = RunQuery(filter=_TRAINED, project=project, limit=limit, columns=_COLUMNS)
    return tuple(past for run in mirror.runs(query).rows if (past := _past(run)))


def needs_of_project(mirror: Mirror, project: str, contract: Contract | None) -> Needs:
    """Return what a training of a project needs: declared, else as its last runs took.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    past = past_runs(mirror, project)
    if contract is None:
        return needs_of(None, past)
    declared = contract.needs.memory_gb
    return needs_of(
        None if declared is None else round(declared * _GB),
        past,
        gpu_slots=contract.needs.gpu_slots,
        limit_bytes=round(contract.memory_limit_gb * _GB),
    )


def needs_of(
    declared_bytes: int | None,
    past: Sequence[PastRun],
    *,
    gpu_slots: int = 1,
    limit_bytes: int | None = None,
) -> Needs:
    """Return what a job needs, and what that rests on.

    Args:
        declared_bytes: What the contract says it needs; it is taken as it is.
        past: Its earlier runs, newest first.
        gpu_slots: Heavy slots, from the contract.
        limit_bytes: The contract's limit of memory: what is taken of a job that was never measured.
    """
    power = _power(past)
    if declared_bytes is not None:
        said = f"{gib(declared_bytes)} is what the project declares"
        most = max((one.peak_bytes or 0 for one in past), default=0)
        if most > declared_bytes:
            said += f"; a run of it took {gib(most)}, so declare more"
        return Needs(declared_bytes, gpu_slots, power, said)
    peaks = [one for one in past[:LOOKED_AT] if one.peak_bytes]
    if peaks:
        memory, said = _from_peaks(peaks)
        return Needs(memory, gpu_slots, power, said)
    if limit_bytes is not None:
        said = f"{gib(limit_bytes)} is its limit: no run of it was measured yet"
        return Needs(limit_bytes, gpu_slots, power, said)
    said = f"{gib(GIB)} is a guess: it declares nothing and no run of it was measured yet"
    return Needs(GIB, gpu_slots, power, said)


def _from_peaks(peaks: Sequence[PastRun]) -> tuple[int, str]:
    killed = any(one.killed for one in peaks)
    most = max(int((one.peak_bytes or 0) * (AFTER_KILL if one.killed else 1)) for one in peaks)
    margin = MARGIN_OF_FEW if len(peaks) < FEW else MARGIN
    memory = int(most * (1 + margin))
    runs = "its last run" if len(peaks) == 1 else f"the most of its last {len(peaks)} runs"
    said = f"{gib(memory)} is {runs} ({gib(most)}) and {margin:.0%}".replace("%", " %")
    if killed:
        said += "; a run that was killed for memory counts half as much again"
    return memory, said


def _power(past: Sequence[PastRun]) -> float | None:
    """Return the most watts of earlier runs: their energy by their time."""
    watts = [
        one.energy_j / one.seconds
        for one in past[:LOOKED_AT]
        if one.energy_j is not None and one.seconds > 0
    ]
    return max(watts, default=None)


def _past(run: Run) -> PastRun | None:
    if run.ended_at is None or run.duration_s is None:
        return None
    memory, mlx, energy = (run.metrics.get(name.partition(".")[2]) for name in _COLUMNS)
    known = [value for value in (memory, mlx) if value is not None and 0 < value < float("inf")]
    return PastRun(
        run.run_id,
        run.ended_at.timestamp(),
        run.duration_s,
        int(max(known)) if known else None,
        energy if energy is not None and 0 <= energy < float("inf") else None,
    )
