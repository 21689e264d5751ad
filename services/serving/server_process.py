"""Starting a model server, or taking over one that lives: in the project's own environment.

It gets none of the platform's secrets: a few variables, and the bundle, which was verified before.
"""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from services.errors import MlopsError, PlatformError
from services.home import toolkit_root
from services.serving import replicas
from services.serving.replicas import ReplicaSpec

Verify = Callable[[ReplicaSpec], None]
"""Raises a ``MlopsError`` when the bundle is not what was signed."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "MLOPS_ENGINE")


def begin(spec: ReplicaSpec, verify: Verify) -> int:
    """Start a model server unless it runs already; return its process id.

    Raises:
        MlopsError: The bundle is not right.
        PlatformError: It cannot be started.
    """
    running = replicas.process_of(spec)
    if running is not None:
        return int(running.pid)
    verify(spec)
    try:
        child = _spawn(spec)
        created = psutil.Process(child.pid).create_time()
        replicas.keep_record(spec, child.pid, created)
    except (OSError, psutil.Error) as error:
        raise PlatformError(
            f"The model server of {spec.name} could not be started: {error}.",
            f"See {spec.log} and whether {spec.python} is there.",
        ) from error
    replicas.tag(spec, child.pid, created)
    # Whoever started a process has to bury it.
    threading.Thread(target=child.wait, name=f"wait-{child.pid}", daemon=True).start()
    return child.pid


def _spawn(spec: ReplicaSpec) -> subprocess.Popen[bytes]:
    for name in (spec.events, spec.log):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        Path(spec.socket).unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(spec.log, flags, 0o600)
    try:
        events = os.open(spec.events, flags | os.O_TRUNC, 0o600)
        try:
            return subprocess.Popen(
                command(spec),
                cwd=spec.folder,
                env=environment(spec),
                stdin=subprocess.DEVNULL,
                stdout=events,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(events)
    finally:
        os.close(log)


def command(spec: ReplicaSpec) -> list[str]:
    """Return how a model server is started."""
    return [
        spec.python, "-m", "mlops_client.serving",
        "--bundle", spec.bundle,
        "--socket", spec.socket,
        "--backend", spec.backend,
        "--memory-bytes", str(spec.memory_bytes),
        "--max-batch", str(spec.max_batch),
    ]  # fmt: skip


def environment(spec: ReplicaSpec) -> dict[str, str]:
    """Return the variables of a model server: those that say how it runs, and no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    python = Path(spec.python)
    return kept | {
        "VIRTUAL_ENV": str(python.parent.parent),
        "PATH": f"{python.parent}{os.pathsep}{kept.get('PATH', '')}",
        # The client as it is now, whatever wheel of it the project's environment was made with.
        "PYTHONPATH": str(toolkit_root() / "client" / "src"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLOPS_HOME": spec.home,
        replicas.MARK: spec.id,
    }


def verify_bundle(spec: ReplicaSpec) -> None:
    """Look at a bundle's signature and hashes.

    Raises:
        MlopsError: It is not what was signed.
    """
    from services.home import Home
    from services.serving import bundle

    bundle.open(Home(Path(spec.home)), spec.project, spec.model, spec.version)


def said(error: Exception) -> dict[str, str]:
    """Return an error as the two sentences it has."""
    if isinstance(error, MlopsError):
        return {"said": error.message, "hint": error.hint}
    return {"said": f"{type(error).__name__}: {error}", "hint": ""}
