"""How much memory a process and all its descendants held at most."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mlops_workflows.footprint import footprint_bytes

_FAST_S = 0.1
_SLOW_S = 1.0
_YOUNG_S = 15.0
METHOD = (
    "physical footprint of all its processes, added up"
    if sys.platform == "darwin"
    else "resident memory of all its processes, added up"
) + "; at least the largest one's own peak"
_GONE = (psutil.Error, OSError, RuntimeError)  # psutil 7.2 raises RuntimeError on some macOS


@dataclass(slots=True)
class Meter:
    """Adds up the memory of a process tree, often at first, later once a second.

    On a Mac a process counts with its physical footprint, elsewhere with its resident memory. What
    processes share is then counted several times; so whether a limit is passed is decided by their
    proportional shares (``Pss`` of proc(5)), which are slower to read.

    What a process took and gave back between two looks is known by the kernel's own peak of the
    largest process (``ru_maxrss``), which the caller hands to ``settle``.
    """

    pid: int
    peak_bytes: int | None = None
    available_min_bytes: int | None = None
    looks: int = 0
    over: int = 0
    """Looks one after another at which the tree held more than the limit."""
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    """Every process of the tree so far, by its id."""
    _began: float = field(default_factory=time.monotonic)
    _last: float = float("-inf")

    def look(self, limit_bytes: int | None = None) -> None:
        """Look if it is time."""
        now = time.monotonic()
        pause = _FAST_S if now - self._began < _YOUNG_S else _SLOW_S
        if now - self._last < pause:
            return
        self._last = now
        total = self._tree_bytes()
        if total:
            self.looks += 1
            self.peak_bytes = max(self.peak_bytes or 0, total)
            self.over = self.over + 1 if self._is_over(total, limit_bytes) else 0
        available = available_bytes()
        if available is not None:
            known = self.available_min_bytes
            self.available_min_bytes = available if known is None else min(known, available)

    def find(self) -> list[psutil.Process]:
        """Return the processes of the tree now."""
        try:
            root = psutil.Process(self.pid)
            tree = [root, *root.children(recursive=True)]
        except _GONE:
            return []
        self.seen.update((process.pid, process) for process in tree)
        return tree

    def _tree_bytes(self) -> int:
        return sum(_held(process) for process in self.find())

    def _is_over(self, total: int, limit_bytes: int | None) -> bool:
        if limit_bytes is None or total <= limit_bytes:
            return False
        return sum(_share(process) for process in self.find()) > limit_bytes

    def settle(self, maxrss: int) -> None:
        """Take the kernel's figure: bytes on a Mac, kibibytes elsewhere (getrusage(2))."""
        peak = maxrss if sys.platform == "darwin" else maxrss * 1024
        if peak:
            self.peak_bytes = max(self.peak_bytes or 0, peak)


def _held(process: psutil.Process) -> int:
    try:
        return footprint_bytes(process.pid) or int(process.memory_info().rss)
    except _GONE:
        return 0


def _share(process: psutil.Process) -> int:
    if sys.platform != "linux":
        return _held(process)
    try:
        return int(process.memory_full_info().pss)
    except _GONE:
        return _held(process)


def available_bytes() -> int | None:
    """Return the machine's free memory; None where psutil cannot tell."""
    try:
        return int(psutil.virtual_memory().available)
    except _GONE:
        return None


def total_bytes() -> int | None:
    """Return the machine's memory; None where psutil cannot tell."""
    try:
        return int(psutil.virtual_memory().total)
    except _GONE:
        return None


def oom_kills() -> int | None:
    """Return how many processes Linux ended for want of memory since it started; None elsewhere."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith("oom_kill ")]
    return int(found[0]) if found else None


def lives(process: psutil.Process) -> bool:
    """Return whether that very process is there, and not another with its number."""
    try:
        # psutil knows it by a start that does not move when the clock is set.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except _GONE:
        return False


def members(group: int) -> list[int]:
    """Return the processes of a group."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group:
                found.append(pid)
        except OSError:
            continue
    return found


def works_for(pid: int, task: str) -> bool:
    """Return whether a process was started with this ``MLOPS_TASK``."""
    try:
        return bool(psutil.Process(pid).environ().get("MLOPS_TASK") == task)
    except _GONE:
        return False
