"""What processes use: those that belong to a run, task or engine, and the busiest of the others."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from services.engines.silicon.models import ProcessUse
from services.process_identity import Identity

SCAN_EVERY = 5
"""All processes are looked at every so many samples: with hundreds of them that costs 20 ms."""

_OTHERS = 5
_OTHER_BUSY = 0.05
"""Others are told when they take at least this share of one core."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A process that belongs to something; its children belong to the same."""

    pid: int
    started_at: float
    """Seconds since 1970: another start is another process that got the same number."""
    owner: str
    project: str = ""
    mlx_active_bytes: int | None = None
    mlx_peak_bytes: int | None = None
    mlx_cache_bytes: int | None = None
    start: str = field(default="", compare=False)
    """``started_at`` by a clock that nobody sets; empty when it is not told."""


@dataclass(slots=True)
class _Seen:
    process: psutil.Process
    cpu_s: float
    at: float


class Uses:
    """Follows processes from sample to sample. Used from one thread."""

    def __init__(
        self,
        gpu_times: Callable[[], Mapping[int, float]] | None = None,
        now: Callable[[], float] = time.monotonic,
        scan_every: int = SCAN_EVERY,
    ) -> None:
        """Follow processes.

        Args:
            gpu_times: Tells the GPU seconds of each process since it began; None: nobody can.
            now: The clock, in seconds.
            scan_every: Look at all processes every so many samples.
        """
        self._gpu_times = gpu_times
        self._now = now
        self._scan_every = scan_every
        self._turn = 0
        self._tagged: dict[int, _Seen] = {}
        self._others: dict[int, _Seen] = {}
        self._gpu_before: dict[int, float] = {}
        self._family: dict[int, Tag] = {}
        self._taken_at: float | None = None

    def take(self, tags: Iterable[Tag]) -> tuple[ProcessUse, ...]:
        """Return what each used since the call before, the tagged first.

        A process seen for the first time has no figures yet that are differences.
        """
        at = self._now()
        window = None if self._taken_at is None else at - self._taken_at
        self._taken_at = at
        known = {tag.pid: tag for tag in tags if _is_same(tag)}
        scan = self._turn % self._scan_every == 0
        self._turn += 1
        if scan:
            everything = _everything()
            self._family = _families(known, everything)
        family = {pid: tag for pid, tag in self._family.items() if tag.owner in _owners(known)}
        family |= known
        gpu = self._gpu()
        out = [use for pid, tag in family.items() if (use := self._one(pid, tag, gpu, at))]
        for gone in self._tagged.keys() - family.keys():
            del self._tagged[gone]
        if scan:
            out += self._busiest(everything, family, gpu, window or 0.0, at)
        return tuple(out)

    def _one(self, pid: int, tag: Tag, gpu: Mapping[int, float], at: float) -> ProcessUse | None:
        before = self._tagged.get(pid)
        try:
            process = before.process if before else psutil.Process(pid)
            with process.oneshot():
                total, memory = _cpu_s(process), process.memory_info().rss
                name, started = process.name(), process.create_time()
        except psutil.Error:
            self._tagged.pop(pid, None)
            return None
        self._tagged[pid] = _Seen(process, total, at)
        own = pid == tag.pid
        return ProcessUse(
            pid=pid,
            started_at=started,
            name=name,
            owner=tag.owner,
            project=tag.project,
            cpu_s=None if before is None else max(0.0, total - before.cpu_s),
            gpu_s=gpu.get(pid),
            memory_bytes=memory,
            mlx_active_bytes=tag.mlx_active_bytes if own else None,
            mlx_peak_bytes=tag.mlx_peak_bytes if own else None,
            mlx_cache_bytes=tag.mlx_cache_bytes if own else None,
        )

    def _busiest(
        self,
        everything: list[psutil.Process],
        family: Mapping[int, Tag],
        gpu: Mapping[int, float],
        window_s: float,
        at: float,
    ) -> list[ProcessUse]:
        """Return the others that took most, their CPU time as the mean of this window."""
        now: dict[int, _Seen] = {}
        found: list[ProcessUse] = []
        for process in everything:
            with contextlib.suppress(psutil.Error):
                if process.pid in family:
                    continue
                total = _cpu_s(process)
                now[process.pid] = _Seen(process, total, at)
                before = self._others.get(process.pid)
                if before is None or before.process != process or at <= before.at:
                    continue
                share = max(0.0, total - before.cpu_s) / (at - before.at)
                used = gpu.get(process.pid)
                if share >= _OTHER_BUSY or (used or 0.0) >= _OTHER_BUSY * window_s:
                    found.append(
                        ProcessUse(
                            process.pid,
                            process.create_time(),
                            process.name(),
                            cpu_s=share * window_s,
                            gpu_s=used,
                            memory_bytes=process.memory_info().rss,
                        )
                    )
        self._others = now
        found.sort(key=lambda use: (use.cpu_s or 0.0) + (use.gpu_s or 0.0), reverse=True)
        return found[:_OTHERS]

    def _gpu(self) -> dict[int, float]:
        """Return the GPU seconds of each process since the call before."""
        if self._gpu_times is None:
            return {}
        now = dict(self._gpu_times())
        before, self._gpu_before = self._gpu_before, now
        return {pid: max(0.0, total - before[pid]) for pid, total in now.items() if pid in before}


def _is_same(tag: Tag) -> bool:
    try:
        return Identity(tag.pid, tag.started_at, tag.start).is_of(psutil.Process(tag.pid))
    except psutil.Error:
        return False


def _owners(tags: Mapping[int, Tag]) -> set[str]:
    return {tag.owner for tag in tags.values()}


def _everything() -> list[psutil.Process]:
    return list(psutil.process_iter())


def _families(tags: Mapping[int, Tag], everything: list[psutil.Process]) -> dict[int, Tag]:
    """Return the tag of each process whose nearest tagged ancestor carries one."""
    if not tags:
        return {}
    parents: dict[int, int] = {}
    for process in everything:
        with contextlib.suppress(psutil.Error):
            parents[process.pid] = process.ppid()
    out: dict[int, Tag] = {}
    for pid in parents:
        at, seen = pid, set()
        while at not in tags and at in parents and at not in seen:
            seen.add(at)
            at = parents[at]
        if at in tags:
            out[pid] = tags[at]
    return out


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
