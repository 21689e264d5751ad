"""Our Ray, kept from outside: the process that holds it, what it is told, what it says.

All of Ray listens on loopback and asks for a token. It is started anew when it falls or hangs;
the model servers are no part of it and go on.
"""

import contextlib
import json
import logging
import os
import secrets
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import psutil

from services.home import Home, toolkit_root
from services.serving import paths, replicas
from services.serving.replicas import ReplicaSpec

logger = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-P", "-m", "services.serving.ray_host")
_STARTING_S = 180.0
"""Ray's first start on a fresh machine compiles itself."""
_SILENT_S = 20.0
_COUNTED_S = 3.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_STABLE_S = 60.0
_ENDING_S = 8.0


@dataclass(frozen=True, slots=True)
class Options:
    """How Ray is started."""

    memory_bytes: int
    """What all replicas together may reserve."""
    address: str = ""
    """Of an existing cluster."""
    token: Path | None = None
    """File with its token."""


@dataclass(frozen=True, slots=True)
class Placed:
    """How Ray has a replica."""

    state: str
    """placing, running, failed or ended."""
    said: str = ""
    hint: str = ""


@dataclass(slots=True)
class _Heard:
    """What the process said last; written by a thread that reads."""

    at: float = 0.0
    replicas: Mapping[str, Placed] = field(default_factory=dict)
    fault: str = ""


def folder(home: Home) -> Path:
    """Return Ray's folder, made when it is missing.

    A socket's path has at most 104 bytes on a Mac, and Ray's are long: it is right in ``/tmp``.

    Raises:
        OSError: It cannot be made, or somebody else made it.
    """
    made = Path("/tmp") / paths.sockets(home).name / "r"  # noqa: S108 - looked at below
    for one in (made.parent, made):
        one.mkdir(mode=0o700, exist_ok=True)
        seen = one.lstat()
        if seen.st_uid != os.getuid() or not stat.S_ISDIR(seen.st_mode):
            raise PermissionError(f"{one} is somebody else's")
        one.chmod(0o700)
    return made


def token(home: Home) -> Path:
    """Return the file with the token of our Ray, made once."""
    place = paths.run(home) / "ray"
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / "token"
    if not path.exists() or not path.read_text().strip():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    path.chmod(0o600)
    return path


def variables(home: Home, options: Options) -> dict[str, str]:
    """Return the environment in which Ray runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = options.token if options.address else token(home)
    asks = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)} if path else {}
    return (
        kept
        | asks
        | {
            # As on a Mac: all of it listens on loopback and not on every network, and a cluster
            # there is sought there.
            **({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if _on_loopback(options) else {}),
            # An actor that ends leaves its model server to the next one.
            "RAY_kill_child_processes_on_worker_exit": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            "RAY_ROTATION_MAX_BYTES": str(5 << 20),
            "RAY_ROTATION_BACKUP_COUNT": "1",
            # Another program's hunger for memory must not end our replicas; the ledger is for that.
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "PYTHONPATH": os.pathsep.join(
                [str(toolkit_root()), *filter(None, [os.environ.get("PYTHONPATH", "")])]
            ),
            "PYTHONUNBUFFERED": "1",
        }
    )


def _on_loopback(options: Options) -> bool:
    host = options.address.rpartition(":")[0].strip("[]")
    return host in {"", "localhost", "::1"} or host.startswith("127.")


class Cluster:
    """Keeps the process that holds Ray. Used from one thread."""

    def __init__(self, home: Home, options: Options, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._home = home
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        self._heard = _Heard()
        self._says: SimpleQueue[object] = SimpleQueue()
        self._specs: dict[str, ReplicaSpec] = {}
        self._told: tuple[str, ...] | None = None
        self._began = 0.0
        self._try_at = 0.0
        self._falls = 0
        self._family: set[psutil.Process] = set()
        self._counted = 0.0
        self.starts = 0
        self.problem = "It is starting."

    @property
    def ready(self) -> bool:
        """Whether Ray answers."""
        return not self.problem

    def placed(self) -> Mapping[str, Placed]:
        """Return how Ray has each replica; while it is away none can be placed."""
        if self.ready:
            return self._heard.replicas
        return dict.fromkeys(self._specs, Placed("placing", f"Ray: {self.problem}"))

    def want(self, specs: Iterable[ReplicaSpec]) -> None:
        """Say which replicas are wanted."""
        self._specs = {one.id: one for one in specs}

    def turn(self) -> None:
        """Start Ray when it is not there, tell it what is wanted, hear what it says."""
        now = time.monotonic()
        if self._child is None:
            if now >= self._try_at:
                self._start(now)
            return
        fault = self._fault(now)
        if fault:
            self._fall(fault, now)
            return
        self._count(now)
        if self._heard.at:
            self.problem = ""
            if now - self._began > _STABLE_S:
                self._falls = 0
        self._tell()

    def _fault(self, now: float) -> str:
        child, heard = self._child, self._heard
        if heard.fault:
            return f"{heard.fault}."
        code = child.poll() if child else 0
        if code is not None:
            return f"Its process ended with {code}; see the log of the serving engine."
        if not heard.at:
            late = now - self._began > _STARTING_S
            return f"It was not ready within {_STARTING_S:.0f} s." if late else ""
        silent = now - heard.at > _SILENT_S
        return f"It has said nothing for {_SILENT_S:.0f} s." if silent else ""

    def _start(self, now: float) -> None:
        options = self._options
        temp = folder(self._home)
        if not options.address:
            for old in temp.iterdir():  # logs of earlier lives
                shutil.rmtree(old, ignore_errors=True)
        config = {
            "address": options.address,
            "memory_mb": options.memory_bytes >> 20,
            "temp": str(temp),
        }
        self._heard, self._told, self._began = _Heard(), None, now
        self._child = subprocess.Popen(
            self._program,
            cwd=toolkit_root(),
            env=variables(self._home, options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.starts += 1
        self.problem = "It is starting."
        self._says = SimpleQueue()
        self._says.put(config)
        for talks, arguments in (
            (_read, (self._child.stdout, self._heard)),
            (_write, (self._child.stdin, self._says)),
        ):
            threading.Thread(target=talks, args=arguments, name="ray", daemon=True).start()

    def _tell(self) -> None:
        told = tuple(sorted(self._specs))
        if told != self._told and self._heard.at:
            self._says.put([one.as_json() for one in self._specs.values()])
            self._told = told

    def _count(self, now: float) -> None:
        """Note the processes of Ray, so that they are found when their parent is gone."""
        if self._child is None or now - self._counted < _COUNTED_S:
            return
        self._counted = now
        self._family = {one for one in self._family if one.is_running()}
        with contextlib.suppress(psutil.Error):
            self._family.update(psutil.Process(self._child.pid).children(recursive=True))

    def processes(self) -> tuple[psutil.Process, ...]:
        """Return the processes of Ray that are known and live."""
        self._count(time.monotonic() + _COUNTED_S)
        return tuple(one for one in self._family if _is_rays(one))

    def _fall(self, fault: str, now: float) -> None:
        self._falls += 1
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._falls - 1, 10))
        logger.warning("Ray: %s It is started again in %.1f s.", fault, wait)
        self._end_all()
        self.problem = f"Ray is started again: {fault}"
        self._try_at = now + wait

    def stop(self) -> None:
        """End Ray; the model servers are not touched."""
        child = self._child
        if child is not None and child.poll() is None:
            self._count(time.monotonic() + _COUNTED_S)
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_ENDING_S)
        self._end_all()
        self.problem = "It was stopped."

    def _end_all(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            self._says.put(None)
        for one in self._family:
            with contextlib.suppress(psutil.Error):
                if _is_rays(one):
                    one.kill()
        self._family.clear()
        self._heard = _Heard()


def _write(stdin: IO[bytes] | None, says: SimpleQueue[object]) -> None:
    """Write what is to be told, until None: a process that hangs must not hold up who tells it."""
    if stdin is None:
        return
    with contextlib.suppress(OSError), stdin:  # it ended; the next look sees that
        while (said := says.get()) is not None:
            stdin.write(json.dumps(said).encode() + b"\n")
            stdin.flush()


def _is_rays(process: psutil.Process) -> bool:
    """Return whether a process below Ray's lives and is its own, not a model server.

    One that was just begun has the mark of a model server a moment later, so it is looked at last.
    """
    try:
        lives = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return lives and replicas.MARK not in process.environ()
    except (psutil.Error, OSError):
        return False


def _read(source: IO[bytes] | None, heard: _Heard) -> None:
    if source is None:
        return
    with contextlib.suppress(OSError, ValueError), source:
        for line in source:
            said: dict[str, Any] = json.loads(line)
            heard.fault = str(said.get("fault") or "")
            found = said.get("replicas") or {}
            heard.replicas = {name: Placed(**one) for name, one in found.items()}
            heard.at = time.monotonic()
