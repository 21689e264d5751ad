"""What the projects used of a machine in a stretch of time: what their owners used, added up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.telemetry.models import OwnerUse

Kind = Literal["project", "hidden", "engines", "others"]
_ORDER: Mapping[Kind, int] = {"project": 0, "hidden": 1, "engines": 2, "others": 3}


@dataclass(frozen=True, slots=True)
class Consumption:
    """What belongs together used; ``project`` is empty unless it is one."""

    kind: Kind
    project: str
    runs: tuple[str, ...]
    """Ids of the runs that were seen at work."""
    cpu_s: float | None
    """Seconds of CPU over all cores; None: not known of any sample."""
    gpu_s: float | None
    memory_bytes: int | None
    """The most that one of its owners, a run or an engine, had at one time."""


def by_project(
    uses: Iterable[OwnerUse], visible: Sequence[str] | None = None
) -> tuple[Consumption, ...]:
    """Add up what owners used: projects first, what used most CPU first.

    ``visible`` are the projects that may be named, None for all; the others are one.
    """
    grouped: dict[tuple[Kind, str], list[OwnerUse]] = {}
    for use in uses:
        grouped.setdefault(_whose(use, visible), []).append(use)
    found = [_added(kind, project, group) for (kind, project), group in grouped.items()]
    return tuple(sorted(found, key=lambda c: (_ORDER[c.kind], -(c.cpu_s or 0.0), c.project)))


def _whose(use: OwnerUse, visible: Sequence[str] | None) -> tuple[Kind, str]:
    if use.project:
        named = visible is None or use.project in visible
        return ("project", use.project) if named else ("hidden", "")
    return ("engines", "") if use.owner.startswith("engine:") else ("others", "")


def _added(kind: Kind, project: str, uses: Sequence[OwnerUse]) -> Consumption:
    runs = {use.owner.partition(":")[2] for use in uses if use.owner.startswith("run:")}
    return Consumption(
        kind,
        project,
        tuple(sorted(runs)) if kind == "project" else (),
        _sum(uses, lambda use: use.cpu_s),
        _sum(uses, lambda use: use.gpu_s),
        # Not a sum: runs that followed each other within a minute were never there together.
        max((use.memory_bytes for use in uses if use.memory_bytes is not None), default=None),
    )


def _sum(uses: Iterable[OwnerUse], of: Callable[[OwnerUse], float | None]) -> float | None:
    known = [value for use in uses if (value := of(use)) is not None]
    return sum(known) if known else None
