"""Says on this machine which process works for which run, so that its watts are the run's.

One small file a process, ``MLOPS_HOME/run/processes/<pid>.json``, written whole and taken away at
the end; what a killed process leaves is cleared by the sampler, which knows it by its start.
Nothing here may fail or slow a training: without a home, or on a full disk, there is no file.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import psutil

from mlops_client.project import current

HOME = "MLOPS_HOME"

_mlx: dict[str, int] = {}


def note_mlx(sizes: dict[str, int]) -> None:
    """Keep MLX's memory for the next writing; called where MLX runs, never from another thread."""
    _mlx.update({name.removeprefix("mlx_"): size for name, size in sizes.items()})


@lru_cache(maxsize=4)
def _started_at(pid: int) -> float:
    return float(psutil.Process(pid).create_time())


class Presence:
    """The file of this process; the run that began last is the one it works for."""

    def __init__(self, real_id: Callable[[str], str] = str) -> None:
        """Begin with no file.

        Args:
            real_id: Tells the server's id of a run that began while the server was away.
        """
        self._real_id = real_id
        self._lock = threading.Lock()
        self._runs: dict[str, float] = {}

    def begin(self, run_id: str) -> None:
        """Work for a run from now on."""
        with self._lock:
            self._runs.pop(run_id, None)
            self._runs[run_id] = time.time()
            self._write()

    def end(self, run_id: str) -> None:
        """Work for the run before again; with the last one the file goes."""
        with self._lock:
            if self._runs.pop(run_id, None) is not None:
                self._write()

    def refresh(self) -> None:
        """Write the file again: MLX's memory moved."""
        with self._lock:
            if self._runs:
                self._write()

    def clear(self) -> None:
        """End, at the end of the process."""
        with self._lock:
            if self._runs:
                self._runs.clear()
                self._write()

    def _write(self) -> None:
        home = os.environ.get(HOME)
        if not home:
            return
        path = Path(home) / "run" / "processes" / f"{os.getpid()}.json"
        with contextlib.suppress(OSError, psutil.Error):
            if not self._runs:
                path.unlink(missing_ok=True)
                return
            if not Path(home).is_dir():
                return  # an environment file of an installation that is gone
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(self._said(), encoding="utf-8")
            new.replace(path)

    def _said(self) -> str:
        run_id, since = next(reversed(self._runs.items()))
        project = current()
        return json.dumps(
            {
                "pid": os.getpid(),
                "started_at": _started_at(os.getpid()),
                "owner": f"run:{self._real_id(run_id)}",
                "project": project.id if project else "",
                "since": since,
                "at": time.time(),
                "mlx": dict(_mlx) or None,
            }
        )
