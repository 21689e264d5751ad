"""What the process may use of memory, and what it uses."""

import contextlib
import resource
import sys
from pathlib import Path

import psutil

_LEAST = 16 << 20
_CACHE_SHARE = 8
_CACHE_MOST = 256 << 20
_STATUS = Path("/proc/self/status")


def limit(memory_bytes: int) -> None:
    """Divide what the process may use: Python has what it has, MLX the rest, an eighth as cache.

    MLX takes the limit as a guideline: past it, it waits for what runs before it allocates. Nothing
    happens without MLX, or with no limit (0).
    """
    if not memory_bytes or not _has_mlx():
        return
    import mlx.core as mx

    left = max(memory_bytes - resident(), _LEAST)
    mx.set_memory_limit(left)
    mx.set_cache_limit(min(left // _CACHE_SHARE, _CACHE_MOST))
    if mx.metal.is_available():
        most = mx.device_info().get("max_recommended_working_set_size", left)
        with contextlib.suppress(ValueError, RuntimeError):  # before macOS 15 nothing is wired
            mx.set_wired_limit(min(left, int(most)))


def clear() -> None:
    """Give back what MLX keeps for later."""
    if "mlx.core" in sys.modules:
        import mlx.core as mx

        mx.clear_cache()


def resident() -> int:
    """Return the bytes that are in memory now."""
    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """Return the most bytes that were in memory."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # On Linux a process inherits `ru_maxrss` from the one that started it.
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured() -> dict[str, int | None]:
    """Return memory in bytes; None for MLX's where the process has not loaded it."""
    found: dict[str, int | None] = {
        "rss_bytes": resident(),
        "peak_rss_bytes": peak(),
        "mlx_active_bytes": None,
        "mlx_peak_bytes": None,
        "mlx_cache_bytes": None,
    }
    if "mlx.core" in sys.modules:
        import mlx.core as mx

        found["mlx_active_bytes"] = mx.get_active_memory()
        found["mlx_peak_bytes"] = mx.get_peak_memory()
        found["mlx_cache_bytes"] = mx.get_cache_memory()
    return found


def _has_mlx() -> bool:
    try:
        import mlx.core as _mx  # noqa: F401 - whether it is here
    except ImportError:
        return False
    return True
