"""An interval of a machine shared out: what each owner had, and what nobody is charged with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.telemetry.figures import Figure, estimated, measured, unavailable

OTHERS = ""
"""The owner of all that belongs to nobody here: the system, a browser, somebody's own programs."""

ALLOCATED = "allocated by busy time"

NEARLY_ALL = 0.95
"""An owner with this share of a component's time is charged with a measured energy: at most a
twentieth of it is a matter of how the rest is shared."""


@dataclass(frozen=True, slots=True)
class ComponentShare:
    """What one owner had of one component over the interval."""

    seconds: float | None
    """Busy time: CPU seconds over all cores, or seconds of GPU time. None: nobody told."""
    joules: Figure
    """What was measured, gaps left out."""
    told_s: float
    """Seconds in which both its use and the component's power are known."""
    used_s: float = 0.0
    """Seconds in which its use is known."""


@dataclass(frozen=True, slots=True)
class OwnerShare:
    """What one owner used."""

    owner: str
    """See ``ProcessUse.owner``; ``OTHERS`` for all that belongs to nobody here."""
    project: str
    components: Mapping[str, ComponentShare]
    """``cpu`` and ``gpu``; ``ane`` where the owner had nearly all of both."""
    seen_s: float
    """Seconds in which it had a process."""
    sure_j: float
    """Of its joules of CPU and GPU, those of windows in which it had nearly all that was used."""
    peak_memory_bytes: int | None
    """The most that its processes had together at one time."""
    peak_mlx_bytes: int | None

    @property
    def energy(self) -> Figure:
        """Return its joules over all components.

        Measured when nearly all of them are of windows in which it used the machine alone.
        """
        parts = [part.joules for part in self.components.values()]
        known = [part.value for part in parts if part.value is not None]
        if not known:
            return unavailable(parts[0].reason)
        ane = self.components.get("ane")
        sure = self.sure_j + ((ane.joules.value or 0.0) if ane else 0.0)
        total = sum(known)
        if sure >= NEARLY_ALL * total:
            return measured(total)
        return estimated(total, ALLOCATED)


@dataclass(frozen=True, slots=True)
class Rest:
    """Energy nobody is charged with."""

    component: str
    joules: float
    reason: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """An interval of one host, shared out."""

    start: datetime
    end: datetime
    coverage: float
    """Share of the interval that samples speak for, 0–1."""
    shares: tuple[OwnerShare, ...]
    """Most energy first, then most time."""
    rest: tuple[Rest, ...]
    totals: Mapping[str, Figure]
    """Joules of ``cpu``, ``gpu`` and ``ane`` as they were measured, gaps left out."""

    def of(self, owner: str) -> OwnerShare | None:
        """Return one owner's share, None when no process of it was seen."""
        return next((one for one in self.shares if one.owner == owner), None)

    def by_project(self) -> dict[str, Figure]:
        """Return the joules of each project; the empty name is what belongs to none."""
        parts: dict[str, list[Figure]] = {}
        for one in self.shares:
            parts.setdefault(one.project, []).append(one.energy)
        return {project: summed(figures) for project, figures in parts.items()}


def summed(parts: Sequence[Figure]) -> Figure:
    """Return the sum of figures; measured when nearly all of it is, unavailable when nothing is."""
    known = [part for part in parts if part.value is not None]
    if not known:
        return unavailable(parts[0].reason if parts else "no process of it was seen")
    total = sum(part.value or 0.0 for part in known)
    sure = sum(part.value or 0.0 for part in known if part.quality == "measured")
    if total == 0 or sure >= NEARLY_ALL * total:
        return measured(total)
    return estimated(total, next(p.reason for p in known if p.quality == "estimated"))
