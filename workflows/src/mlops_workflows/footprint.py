"""What macOS itself counts as a process's memory: its physical footprint.

Resident memory misses what is compressed and much of what the GPU holds, which on Apple Silicon is
the same memory. ``proc_pid_rusage`` of libproc tells a process's own footprint without any right
beyond the user's own.
"""

import ctypes
import struct
import sys
from collections.abc import Callable
from functools import lru_cache

_FLAVOR = 0  # RUSAGE_INFO_V0
_LAYOUT = struct.Struct("=16s10Q")  # rusage_info_v0 of <sys/resource.h>
_FOOTPRINT = 8  # ri_phys_footprint, after the uuid and seven counters

Ask = Callable[[int], bytes | None]
"""Returns the ``rusage_info_v0`` of a process, None when it cannot be had."""


def footprint_bytes(pid: int, ask: Ask | None = None) -> int | None:
    """Return a process's physical footprint; None off macOS, and of one that is gone."""
    if ask is None:
        if sys.platform != "darwin":
            return None
        ask = _ask
    said = ask(pid)
    if said is None or len(said) < _LAYOUT.size:
        return None
    return int(_LAYOUT.unpack_from(said)[_FOOTPRINT]) or None


@lru_cache(maxsize=1)
def _library() -> "ctypes.CDLL | None":
    try:
        found = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
        found.proc_pid_rusage.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return found


def _ask(pid: int) -> bytes | None:
    library = _library()
    if library is None:
        return None
    buffer = ctypes.create_string_buffer(_LAYOUT.size)
    return buffer.raw if library.proc_pid_rusage(pid, _FLAVOR, buffer) == 0 else None
