"""What every run is tagged with: project, code, data, machine, packages; measured or left out."""

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import psutil

from mlops_client import base, recording, versions
from mlops_client.host import this_host
from mlops_client.presence import started_at
from mlops_client.project import Project, current

_PACKAGES = ("mlx", "mlx-metal", "mlx-lm", "torch", "numpy", "scikit-learn", "mlflow-skinny")
_COMMAND_TIMEOUT_S = 5.0
_DVC_DEPTH = 4
_NOT_DATA = frozenset({".git", ".dvc", ".venv", ".mlops", "node_modules", "__pycache__", "mlruns"})


def run_tags() -> dict[str, str]:
    """Return the tags of this process's runs; empty outside a toolkit project."""
    project = current()
    if project is None:
        return {}
    found: dict[str, str | None] = {
        **_measured(project),
        "mlops.technique": os.environ.get("MLOPS_TECHNIQUE"),
        "mlops.backend": backend(),
        "mlops.pid": str(os.getpid()),
        "mlops.process_started_at": _started_at(),
        "mlops.task": os.environ.get("MLOPS_TASK"),
    }
    return {name: value for name, value in found.items() if value}


def new_run_tags() -> dict[str, str]:
    """Return the tags of a run that starts now; data that has changed is recorded for it first."""
    project = current()
    if project is None:
        return {}
    return run_tags() | versions.of(project).data_tags() | base.tags()


def _started_at() -> str | None:
    """Return when this process began, in epoch seconds: with the host and pid it is unique."""
    began = started_at(os.getpid())
    return None if began is None else f"{began:.2f}"


@lru_cache(maxsize=1)
def _measured(project: Project) -> dict[str, str | None]:
    """Return what is measured once a process: it starts other programs and reads files."""
    return {
        "mlops.project": project.id,
        "mlops.git.commit": _git(project.path, "rev-parse", "HEAD"),
        "mlops.git.dirty": _dirty(project.path),
        "mlops.data.revision": None if recording.is_on() else data_revision(project.path),
        "mlops.host": socket.gethostname(),
        "mlops.host_id": this_host(),
        "mlops.chip": chip(),
        "mlops.memory_bytes": memory_bytes(),
        "mlops.packages": json.dumps(packages(), sort_keys=True),
    }


def forget() -> None:
    """Measure again for the next run: the project has changed."""
    _measured.cache_clear()


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _git(path: Path, *arguments: str) -> str | None:
    # No optional locks: a status must not stand in the way of the person's own git.
    return _output("git", "--no-optional-locks", "-C", str(path), *arguments)


def _dirty(path: Path) -> str | None:
    said = _git(path, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return None if said is None else str(bool(said)).lower()


def data_revision(path: Path) -> str | None:
    """Return one hash over what DVC says of a project's data; None without DVC files."""
    digest = hashlib.sha256()
    found = False
    try:
        for file in sorted(_dvc_files(path, _DVC_DEPTH)):
            digest.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes() + b"\0")
            found = True
    except OSError:
        return None
    return digest.hexdigest()[:16] if found else None


def _dvc_files(folder: Path, depth: int) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if depth > 1 and entry.name not in _NOT_DATA:
                yield from _dvc_files(Path(entry.path), depth - 1)
        elif entry.name == "dvc.lock" or entry.name.endswith(".dvc"):
            yield Path(entry.path)


@lru_cache(maxsize=1)
def chip() -> str | None:
    """Return the processor's name as the system tells it."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or None
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine() or None)


@lru_cache(maxsize=1)
def memory_bytes() -> str | None:
    """Return the machine's memory; on a Mac from sysctl, psutil fails on some macOS versions."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "hw.memsize") or None
    try:
        return str(psutil.virtual_memory().total)
    except (psutil.Error, OSError, RuntimeError):
        return None


def backend() -> str:
    """Return what computes: by what is loaded, without loading anything."""
    mlx, torch = sys.modules.get("mlx.core"), sys.modules.get("torch")
    if mlx is not None:
        return "mlx-metal" if mlx.metal.is_available() else "mlx-cpu"
    if torch is not None:
        if torch.backends.mps.is_available():
            return "torch-mps"
        return "torch-cuda" if torch.cuda.is_available() else "torch-cpu"
    if _version("mlx"):
        return "mlx-metal" if _version("mlx-metal") else "mlx-cpu"
    return "cpu"


@lru_cache(maxsize=32)
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def packages() -> dict[str, str]:
    """Return the versions of the packages that decide a result, and Python's."""
    found = {name: version for name in _PACKAGES if (version := _version(name))}
    return found | {"python": platform.python_version()}
