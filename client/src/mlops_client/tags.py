"""What every run is tagged with: project, code, data, machine, packages; measured or left out."""

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import psutil

from mlops_client.project import Project, current

_PACKAGES = ("mlx", "mlx-metal", "mlx-lm", "torch", "numpy", "scikit-learn", "mlflow-skinny")
_GIT_TIMEOUT_S = 5.0


@lru_cache(maxsize=1)
def run_tags() -> dict[str, str]:
    """Return the tags of this process's runs; empty outside a toolkit project."""
    project = current()
    if project is None:
        return {}
    found: dict[str, str | None] = {
        "mlops.project": project.id,
        "mlops.technique": os.environ.get("MLOPS_TECHNIQUE"),
        "mlops.git.commit": _git(project.path, "rev-parse", "HEAD"),
        "mlops.git.dirty": _dirty(project.path),
        "mlops.data.revision": data_revision(project),
        "mlops.host": socket.gethostname(),
        "mlops.chip": chip(),
        "mlops.memory_bytes": str(psutil.virtual_memory().total),
        "mlops.backend": backend(),
        "mlops.packages": json.dumps(packages(), sort_keys=True),
        "mlops.pid": str(os.getpid()),
    }
    return {name: value for name, value in found.items() if value}


def _git(path: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _dirty(path: Path) -> str | None:
    said = _git(path, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return None if said is None else str(bool(said)).lower()


def data_revision(project: Project) -> str | None:
    """Return one hash over what DVC says of the project's data; None without DVC files."""
    files = [*project.path.glob("*.dvc"), *project.path.glob("*/*.dvc")]
    lock = project.path / "dvc.lock"
    files += [lock] if lock.is_file() else []
    if not files:
        return None
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file.relative_to(project.path)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def chip() -> str | None:
    """Return the processor's name as the system tells it."""
    if sys.platform == "darwin":
        try:
            done = subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"],
                capture_output=True,
                text=True,
                timeout=_GIT_TIMEOUT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() or None
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine() or None)


def backend() -> str:
    """Return what computes: by what is loaded, without loading anything."""
    if "mlx.core" in sys.modules or ("torch" not in sys.modules and _has("mlx")):
        return "mlx-metal" if sys.platform == "darwin" and _has("mlx-metal") else "mlx-cpu"
    torch = sys.modules.get("torch")
    if torch is None:
        return "cpu"
    if torch.backends.mps.is_available():
        return "torch-mps"
    return "torch-cuda" if torch.cuda.is_available() else "torch-cpu"


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def packages() -> dict[str, str]:
    """Return the versions of the packages that decide a result, and Python's."""
    found = {name: metadata.version(name) for name in _PACKAGES if _has(name)}
    return found | {"python": platform.python_version()}
