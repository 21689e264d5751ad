"""What every machine said last, kept in memory for who asks this process by HTTP."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from services.engines.silicon.models import Machine, ProcessUse, ProviderState, Sample

OTHERS = "(others)"
AHEAD_S = 60.0
"""How far the clock of another machine may be ahead of ours, or behind it."""

_GROUPS_AT_MOST = 200
"""Owners × projects of one machine that are told apart; whatever comes then is one more."""

Group = tuple[str, str]
"""Whose: ``run``, ``task``, ``replica`` or ``engine:NAME``; and the project."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the processes of one group used since this process began, and have now."""

    cpu_s: float = 0.0
    gpu_s: float = 0.0
    gpu_known: bool = False
    processes: int = 0
    memory_bytes: int | None = None
    mlx_active_bytes: int | None = None
    mlx_cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HostNow:
    """One machine, as far as this process heard of it."""

    machine: Machine
    providers: tuple[ProviderState, ...] = ()
    sample: Sample | None = None
    """Its newest; None: it has not sent one since this process began."""
    heard_at: float | None = None
    """When that came, in seconds since 1970."""
    samples: int = 0
    refused: int = 0
    groups: dict[Group, Totals] = field(default_factory=dict)


class Latest:
    """The newest of every machine. From any thread; what is handed out does not change."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Know no machine yet."""
        self._now = now
        self._hosts: dict[str, HostNow] = {}
        self._lock = threading.Lock()

    def introduce(self, machine: Machine, providers: Sequence[ProviderState]) -> bool:
        """Take what a machine is; return whether that is news."""
        with self._lock:
            known = self._hosts.get(machine.host)
            told = known or HostNow(machine)
            self._hosts[machine.host] = replace(told, machine=machine, providers=tuple(providers))
            return known is None or (known.machine, known.providers) != (machine, tuple(providers))

    def heard(self, sample: Sample) -> None:
        """Take a sample of a machine that was introduced; a late one is only counted."""
        with self._lock:
            known = self._hosts[sample.host]
            if self._is_late(known, sample):
                self._hosts[sample.host] = replace(known, samples=known.samples + 1)
                return
            self._hosts[sample.host] = replace(
                known,
                sample=sample,
                heard_at=self._now(),
                samples=known.samples + 1,
                groups=_grouped(known.groups, sample.processes),
            )

    def _is_late(self, known: HostNow, sample: Sample) -> bool:
        if known.sample is None or sample.at > known.sample.at:
            return False
        # Else a clock that was ahead and is set right would stop its machine for as long.
        return known.sample.at.timestamp() <= self._now() + AHEAD_S

    def keep(self, known: Callable[[str], bool], silent_s: float) -> None:
        """Forget the machines that are silent for so long and not known any more: removed ones."""
        at = self._now()
        with self._lock:
            for name, one in list(self._hosts.items()):
                silent = one.heard_at is None or at - one.heard_at > silent_s
                if silent and not known(name):
                    del self._hosts[name]

    def refused(self, host: str) -> None:
        """Count a sample that was not kept."""
        with self._lock:
            known = self._hosts[host]
            self._hosts[host] = replace(known, refused=known.refused + 1)

    def hosts(self) -> tuple[HostNow, ...]:
        """Return all, by name."""
        with self._lock:
            return tuple(self._hosts[name] for name in sorted(self._hosts))


def _grouped(before: dict[Group, Totals], processes: Sequence[ProcessUse]) -> dict[Group, Totals]:
    """Return the totals with one sample more; strangers' processes are not looked at each time."""
    out = {key: Totals(t.cpu_s, t.gpu_s, t.gpu_known) for key, t in before.items()}
    for use in processes:
        if not use.owner:
            continue
        key = _group(use)
        if key not in out and len(out) >= _GROUPS_AT_MOST:
            key = (OTHERS, OTHERS)
        now = out.get(key, Totals())
        out[key] = Totals(
            now.cpu_s + (use.cpu_s or 0.0),
            now.gpu_s + (use.gpu_s or 0.0),
            now.gpu_known or use.gpu_s is not None,
            now.processes + 1,
            _sum(now.memory_bytes, use.memory_bytes),
            _sum(now.mlx_active_bytes, use.mlx_active_bytes),
            _sum(now.mlx_cache_bytes, use.mlx_cache_bytes),
        )
    return out


def _group(use: ProcessUse) -> Group:
    """Return the group of a process: a run's id would be a new label with every run."""
    kind, _, name = use.owner.partition(":")
    return (use.owner if kind == "engine" and name else kind), use.project


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other
