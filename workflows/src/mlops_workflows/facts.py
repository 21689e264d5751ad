"""What a failure is later explained with: code, data, packages, machine and disk as they are."""

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_workflows.files import read_object

_GIT_TIMEOUT_S = 5.0


def git(folder: Path) -> dict[str, Any]:
    """Return the commit, and a hash of what differs from it; None where git cannot tell."""
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "diff", "HEAD", "--", ".") if commit else None
    return {
        "commit": commit.decode().strip() if commit else None,
        "dirty": None if changed is None else bool(changed),
        "diff": hashlib.sha256(changed).hexdigest()[:16] if changed else None,
    }


def _git(folder: Path, *words: str) -> bytes | None:
    # No optional locks: this must not stand in the way of the person's own git.
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def packages(environment: Path | None) -> dict[str, Any]:
    """Return the packages of an environment and one hash over them; None without environment."""
    if environment is None or not environment.is_dir():
        return {"fingerprint": None, "versions": None}
    versions = dict(sorted(_installed(environment)))
    text = "\n".join(f"{name}=={version}" for name, version in versions.items())
    return {"fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16], "versions": versions}


def _installed(environment: Path) -> Iterator[tuple[str, str]]:
    # The names of the folders tell it: no process is started, nothing is imported.
    for folder in environment.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        yield name.lower().replace("_", "-"), version
    for folder in environment.glob("lib/python3*"):
        yield "python", folder.name.removeprefix("python")


def revisions(folder: Path) -> dict[str, str | None]:
    """Return which versions of data and models were recorded last in a project's folder."""
    noted = {kind: read_object(folder / ".mlops" / "versions" / f"{kind}.json") for kind in _KINDS}
    return {kind: (said or {}).get("revision") for kind, said in noted.items()}


_KINDS = ("data", "models")


def host() -> dict[str, Any]:
    """Return which machine this is; ``worker`` is its name in the team, None on the platform's."""
    return {
        "name": socket.gethostname(),
        "worker": os.environ.get("MLOPS_WORKER"),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def disk(folder: Path) -> dict[str, Any]:
    """Return how much room the disk of a folder has; None when it cannot be asked."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return {"path": str(folder), "free_bytes": None, "total_bytes": None}
    return {"path": str(folder), "free_bytes": usage.free, "total_bytes": usage.total}
