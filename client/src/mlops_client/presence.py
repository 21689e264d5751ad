"""Says on this machine which process works for which run, so that its watts are the run's.

One small file a process, ``MLOPS_HOME/run/processes/<pid>.json``, written whole, again every five
seconds, and taken away at the end; what a killed process leaves is cleared by the sampler, which
knows it by its start. Nothing here may fail or slow a training: without a home, or on a full disk,
there is no file.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

from mlops_client.project import current

HOME = "MLOPS_HOME"
INTERVAL_S = 5.0
_SAME_MOMENT_S = 1.5


@dataclass(frozen=True, slots=True)
class _Active:
    project: str
    since: float
    """Epoch seconds."""
    real_id: Callable[[str], str]


class _Process:
    """What is known of this process; one for all its stores, forgotten in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, _Active] = {}
        self.mlx: dict[str, int] = {}
        self.device: str | None = None
        self.stopped = threading.Event()


_process = _Process()


def _after_fork() -> None:
    # The parent's runs, thread and lock are not the child's.
    global _process
    _process = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def note_mlx(sizes: Mapping[str, int]) -> None:
    """Keep MLX's memory for the next writing; called where MLX runs, never from another thread."""
    _process.mlx = {name.removeprefix("mlx_"): size for name, size in sizes.items()}


def look_at_mlx() -> None:
    """Look at MLX's memory and device from the main thread of a program that has loaded it.

    Until this was done once the thread of this module leaves MLX alone: the first question may
    make its allocator, which belongs to a thread that lives on. The questions after it read
    three numbers: they make no stream, and no abort at the end of the process followed (0 of 90
    on 0.32.4, where a thread that computes and ends caused 4 of 50).
    """
    if _process.mlx or "mlx.core" not in sys.modules:
        return
    if threading.current_thread() is not threading.main_thread():
        return  # one that may end before the process
    sizes = _mlx_sizes()
    if sizes is None:
        return
    note_mlx(sizes)
    kind = getattr(sys.modules["mlx.core"].default_device().type, "name", "")
    _process.device = kind if kind in {"gpu", "cpu"} else None


def _mlx_sizes() -> dict[str, int] | None:
    mx: Any = sys.modules.get("mlx.core")
    if mx is None or not hasattr(mx, "get_cache_memory"):  # not there, or just being imported
        return None
    return {
        "active_bytes": mx.get_active_memory(),
        "peak_bytes": mx.get_peak_memory(),
        "cache_bytes": mx.get_cache_memory(),
    }


@lru_cache(maxsize=4)
def started_at(pid: int) -> float | None:
    """Return when a process began, in epoch seconds; None when that is not known."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


class Presence:
    """The file of this process, for the runs of one store.

    The run that began last is the one the process works for, whichever store it is in.
    """

    def __init__(self, real_id: Callable[[str], str] = str) -> None:
        """Begin with no run.

        Args:
            real_id: Tells the server's id of a run that began while the server was away.
        """
        self._real_id = real_id

    def begin(self, run_id: str) -> None:
        """Work for a run from now on; nothing when that is so already."""
        with _process.lock:
            if run_id in _process.runs:
                return
            look_at_mlx()
            project = current()
            _process.runs[run_id] = _Active(
                project.id if project else "", time.time(), self._real_id
            )
            _write()
            if len(_process.runs) == 1:
                _start()

    def end(self, run_id: str) -> None:
        """Work for the run before again; with the last one the file goes."""
        with _process.lock:
            if _process.runs.pop(run_id, None) is not None:
                _write()

    def refresh(self) -> None:
        """Write the file again: MLX's memory moved."""
        _refresh()

    def clear(self) -> None:
        """End, at the end of the process."""
        with _process.lock:
            if _process.runs:
                _process.runs.clear()
                _write()


def others(project: str) -> Iterator[int]:
    """Yield the other living processes of this machine that work for a run of a project."""
    home = os.environ.get(HOME)
    if not home:
        return
    with contextlib.suppress(OSError):
        for file in (Path(home) / "run" / "processes").glob("*.json"):
            if file.stem != str(os.getpid()) and (pid := _works_for(file, project)):
                yield pid


def _works_for(file: Path, project: str) -> int | None:
    """Return the process that wrote a file, when it lives and works for a project."""
    try:
        said = json.loads(file.read_bytes())
        if said["project"] != project or not str(said["owner"]).startswith("run:"):
            return None
        pid = int(said["pid"])
        began = psutil.Process(pid).create_time()
        same = abs(began - float(said["started_at"])) < _SAME_MOMENT_S
        # A clock that is set moves that moment; who was there before the file was written wrote it.
        return pid if same or file.stat().st_mtime >= began else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _start() -> None:
    _process.stopped = threading.Event()
    with contextlib.suppress(RuntimeError):  # the process is ending
        threading.Thread(
            target=_work, args=(_process.stopped,), name="mlops-presence", daemon=True
        ).start()


def _work(stopped: threading.Event) -> None:
    while not stopped.wait(INTERVAL_S):
        _refresh()


def _refresh() -> None:
    with _process.lock:
        if not _process.runs:
            return
        sizes = _mlx_sizes() if _process.mlx else None
        if sizes is not None:
            note_mlx(sizes)
        _write()


def _write() -> None:
    """Write the file, or take it away when there is no run; the lock is held."""
    if not _process.runs:
        _process.stopped.set()
    home = os.environ.get(HOME)
    if not home:
        return
    path = Path(home) / "run" / "processes" / f"{os.getpid()}.json"
    with contextlib.suppress(OSError):
        if not _process.runs:
            path.unlink(missing_ok=True)
            return
        if not Path(home).is_dir():
            return  # an environment file of an installation that is gone
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(_said()), encoding="utf-8")
        new.replace(path)


def _said() -> dict[str, Any]:
    run_id, active = next(reversed(_process.runs.items()))
    return {
        "pid": os.getpid(),
        "started_at": started_at(os.getpid()),
        "owner": f"run:{active.real_id(run_id)}",
        "project": active.project,
        "since": active.since,
        "at": time.time(),
        "mlx": _process.mlx or None,
        "device": _process.device,
    }
