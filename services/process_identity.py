"""Which process is which, whatever the clock says.

Ids are used again, so a process is known by its id and its start. As a time of day the start moves
when the clock is set: Linux reckons it from the boot time, which it reckons from the clock
(``btime``, proc(5)). So the start is also kept as the kernel counts it, by a clock that nobody
sets, in the form ``BOOT-TICKS``:

Linux   /proc/sys/kernel/random/boot_id, and starttime of /proc/PID/stat (proc(5), field 22)
macOS   kern.bootsessionuuid (sysctl(3)), and ri_proc_start_abstime of proc_pid_rusage (libproc.h)

What was noted before this was kept, or where the kernel does not tell it, is compared by the time
of day.
"""

import contextlib
import ctypes
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

_SAME_MOMENT_S = 1.5  # the time of day at which a process began moves a little of itself
_STARTTIME = 19
"""Fields between the closing bracket of the name and field 22."""
_BOOT_DIGITS = 8
"""So much of the boot's UUID tells it from the others; owners of actions have 120 letters."""
_RUSAGE_V0 = struct.Struct("=16s10Q")  # rusage_info_v0 of <sys/resource.h>
_START_ABSTIME = 9
"""ri_proc_start_abstime, after the uuid and eight counters."""
_PROC = Path("/proc")
_START = re.compile(r"[0-9a-f]{1,8}-[0-9]{1,20}")

Ask = Callable[[int], bytes | None]
"""Returns the ``rusage_info_v0`` of a process, None when it cannot be had."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good."""

    pid: int
    created: float
    """When it was made, seconds since 1970, by the clock as it was when this was noted."""
    start: str = ""
    """The same by a clock that nobody sets; empty when it was not noted."""

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of a process that is there now."""
        try:
            return cls(pid, psutil.Process(pid).create_time(), start_of(pid))
        except psutil.Error:
            return None

    @classmethod
    def noted(cls, document: object) -> "Identity | None":
        """Return what a file says under ``pid``, ``created`` and ``start``; None for nonsense."""
        if not isinstance(document, Mapping):
            return None
        pid, created, start = (document.get(name) for name in ("pid", "created", "start"))
        if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 1:
            return None
        if not isinstance(created, int | float) or not created:
            return None
        told = isinstance(start, str) and _START.fullmatch(start)
        return cls(pid, float(created), str(start) if told else "")

    def is_of(self, process: psutil.Process) -> bool:
        """Return whether a process with this id is the one, and no later one.

        Raises:
            psutil.Error: It ended.
        """
        now = start_of(self.pid) if self.start else ""
        if now:
            return now == self.start
        return bool(abs(process.create_time() - self.created) < _SAME_MOMENT_S)

    def process(self) -> psutil.Process | None:
        """Return the process, None when it ended (also when it waits to be buried)."""
        try:
            found = psutil.Process(self.pid)
            ended = not self.is_of(found) or found.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return None if ended else found

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process() is not None

    def may_have_started(self, process: psutil.Process) -> bool:
        """Return whether a process is as young as one of this one's children would be.

        Raises:
            psutil.Error: It ended.
        """
        boot, _, ticks = self.start.rpartition("-")
        found = _counted(process.pid) if boot else None
        if found is not None:
            return found[0] == boot and found[1] >= int(ticks)
        return bool(process.create_time() >= self.created - _SAME_MOMENT_S)

    def began_at(self) -> float:
        """Return when it began by the clock as it is now, seconds since 1970.

        ``created`` is by the clock as it was; what a process writes today is dated by today's.
        """
        age = age_s(self.pid)
        return self.created if age is None else time.time() - age


def start_of(pid: int) -> str:
    """Return a process's start as ``BOOT-TICKS``; empty when there is none or none is told."""
    found = _counted(pid)
    return "" if found is None else f"{found[0]}-{found[1]}"


def age_s(pid: int) -> float | None:
    """Return how long a process has been there by a clock that nobody sets, None when untold.

    On a Mac the time asleep does not count.
    """
    found = _counted(pid)
    if found is None:
        return None
    if sys.platform == "darwin":
        return max(0.0, time.monotonic() - found[1] * _mach_tick_s())
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, now - found[1] / os.sysconf("SC_CLK_TCK"))


def _counted(pid: int) -> tuple[str, int] | None:
    """Return the boot, and the ticks from there to the start of a process."""
    return counted_by_mach(pid) if sys.platform == "darwin" else counted_by_proc(pid)


def counted_by_proc(pid: int, proc: Path | None = None) -> tuple[str, int] | None:
    """Return what ``/proc`` tells, in ticks of ``SC_CLK_TCK`` a second."""
    proc = proc or _PROC
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name in brackets may itself have brackets and blanks in it.
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return _linux_boot(proc), int(fields[_STARTTIME])
    return None


@lru_cache(maxsize=1)
def _linux_boot(proc: Path) -> str:
    return _short((proc / "sys/kernel/random/boot_id").read_text(encoding="ascii"))


def _short(uuid: str) -> str:
    """Return the beginning of a UUID.

    Raises:
        ValueError: It is none.
    """
    head = uuid.strip().lower()[:_BOOT_DIGITS]
    int(head, 16)
    return head


def counted_by_mach(
    pid: int, ask: Ask | None = None, boot: Callable[[], str] | None = None
) -> tuple[str, int] | None:
    """Return what libproc tells, in ticks of ``mach_absolute_time``."""
    said = (ask or _rusage)(pid)
    if said is None or len(said) < _RUSAGE_V0.size:
        return None
    ticks = int(_RUSAGE_V0.unpack_from(said)[_START_ABSTIME])
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return _short((boot or _mac_boot)()), ticks
    return None


def _rusage(pid: int) -> bytes | None:
    buffer = ctypes.create_string_buffer(_RUSAGE_V0.size)
    try:
        found = _libproc().proc_pid_rusage(pid, 0, buffer)
    except (OSError, AttributeError):
        return None
    return buffer.raw if found == 0 else None


@lru_cache(maxsize=1)
def _libproc() -> ctypes.CDLL:
    library = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
    library.proc_pid_rusage.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    return library


@lru_cache(maxsize=1)
def _mac_boot() -> str:
    """Return ``kern.bootsessionuuid``.

    Raises:
        OSError: It is not told.
    """
    text = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(text))
    system = ctypes.CDLL(None, use_errno=True)
    if system.sysctlbyname(b"kern.bootsessionuuid", text, ctypes.byref(size), None, 0) != 0:
        raise OSError(ctypes.get_errno(), "kern.bootsessionuuid is not told")
    return text.value.decode("ascii")


@lru_cache(maxsize=1)
def _mach_tick_s() -> float:
    """Return the seconds of one tick of ``mach_absolute_time``: 125/3 ns on Apple silicon."""
    told = (ctypes.c_uint32 * 2)()
    ctypes.CDLL(None).mach_timebase_info(told)
    return float(told[0] / told[1] / 1e9)
