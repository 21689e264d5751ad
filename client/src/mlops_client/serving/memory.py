"""What the process may use of memory, and what it uses."""

import contextlib
import resource
import sys
from pathlib import Path
from typing import Any

import psutil

_LEAST = 16 << 20
_CACHE_SHARE = 8
_CACHE_MOST = 256 << 20
_STATUS = Path("/proc/self/status")
_TORCH = ("mps", "cuda", "cpu")
_MPS_MOST = 2.0
"""Of what Metal recommends; torch takes no more."""
_seen: list[int] = []


def limit(memory_bytes: int, backend: str = "mlx") -> None:
    """Divide what the process may use: Python has what it has, MLX the rest, an eighth as cache.

    MLX takes the limit as a guideline: past it, it waits for what runs before it allocates; torch
    takes it as the most on a GPU, and has none on the CPU. Nothing happens with no limit (0), or
    without MLX.
    """
    if memory_bytes and backend in ("mps", "cuda"):
        _limit_torch(memory_bytes, backend)
    if not memory_bytes or backend in _TORCH or not _has_mlx():
        return
    import mlx.core as mx

    left = max(memory_bytes - resident(), _LEAST)
    mx.set_memory_limit(left)
    mx.set_cache_limit(min(left // _CACHE_SHARE, _CACHE_MOST))
    if mx.metal.is_available():
        most = mx.device_info().get("max_recommended_working_set_size", left)
        with contextlib.suppress(ValueError, RuntimeError):  # before macOS 15 nothing is wired
            mx.set_wired_limit(min(left, int(most)))


def _limit_torch(memory_bytes: int, backend: str) -> None:
    try:
        import torch
    except ImportError:
        return  # said when the backend is chosen
    if backend == "mps" and torch.backends.mps.is_available():
        left = max(memory_bytes - resident(), _LEAST)  # one memory for both
        torch.mps.set_per_process_memory_fraction(
            min(left / torch.mps.recommended_max_memory(), _MPS_MOST)
        )
    elif backend == "cuda" and torch.cuda.is_available():
        most = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(memory_bytes / most, 1.0))


def clear() -> None:
    """Give back what MLX and torch keep for later."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
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
    """Return memory in bytes; None for MLX's and torch's where the process has not loaded them."""
    found: dict[str, int | None] = {
        "rss_bytes": resident(),
        "peak_rss_bytes": peak(),
        "mlx_active_bytes": None,
        "mlx_peak_bytes": None,
        "mlx_cache_bytes": None,
        "torch_peak_bytes": _torch_peak(),
    }
    if "mlx.core" in sys.modules:
        import mlx.core as mx

        found["mlx_active_bytes"] = mx.get_active_memory()
        found["mlx_peak_bytes"] = mx.get_peak_memory()
        found["mlx_cache_bytes"] = mx.get_cache_memory()
    return found


def _torch_peak() -> int | None:
    """Return the most that torch held on a GPU; on Metal, which does not tell, of these looks."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_reserved())
    if not torch.backends.mps.is_available():
        return None
    _seen.append(int(torch.mps.driver_allocated_memory()))
    _seen[:] = [max(_seen)]
    return _seen[0]


def _has_mlx() -> bool:
    try:
        import mlx.core as _mx  # noqa: F401 - whether it is here
    except ImportError:
        return False
    return True
