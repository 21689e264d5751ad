"""What the command line asks of the supervisor: begin, end, start an engine again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from services.errors import NotFoundError, PlatformError
from services.home import Home, toolkit_root
from services.platform import lock, processes
from services.platform import state as states
from services.platform.engines import BUILDERS, interpreter
from services.platform.files import not_written, read_json
from services.platform.logs import tail
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity

ALREADY_RUNS = 75
"""Exit code (EX_TEMPFAIL) of a second supervisor."""

_POLL_S = 0.05
_BEGIN_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 12.0
_LEFTOVER_TIMEOUT_S = 3.0


def running(home: Home) -> Identity | None:
    """Return the supervisor that keeps this home now."""
    if not lock.is_held(home.run / "supervisor.lock"):
        return None
    try:
        document = read_json(home.run / "supervisor.pid") or {}
    except PlatformError:
        return None
    known = Identity.noted(document)
    return known if known and known.alive else None


def prepare(home: Home) -> None:
    """Make the home folder.

    Raises:
        PlatformError: It cannot be made or is not ours.
    """
    try:
        home.create()
    except OSError as error:
        raise not_written(home.root, error) from error


def begin(home: Home) -> bool:
    """Start a supervisor in the background; return False when one runs already.

    Raises:
        PlatformError: It could not start; the message is its own.
    """
    prepare(home)
    log = home.logs / "supervisor.log"
    with _appended(log) as handle:
        began_at = handle.seek(0, os.SEEK_END)
        child = subprocess.Popen(
            [interpreter(), "-m", "services.platform.supervisor"],
            cwd=toolkit_root(),
            env=os.environ | {"MLOPS_HOME": str(home.root)},
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    deadline = time.monotonic() + _BEGIN_TIMEOUT_S
    while time.monotonic() < deadline:
        code = child.poll()
        if code == ALREADY_RUNS:
            return False
        if code is not None:
            raise PlatformError(_last_words(log, began_at), f"All of it is in {log}.")
        state = current(home)
        if state.supervisor and state.supervisor.pid == child.pid:
            child.returncode = 0  # it is meant to outlive us: no warning that it still runs
            return True
        time.sleep(_POLL_S)
    raise PlatformError(
        f"The supervisor said nothing within {_BEGIN_TIMEOUT_S:.0f} s.", f"See {log}."
    )


def _appended(path: Path) -> BinaryIO:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise not_written(path, error) from error
    return os.fdopen(handle, "ab")


def _last_words(log: Path, began_at: int) -> str:
    words = log.read_bytes()[began_at:].decode("utf-8", "replace").strip().splitlines()
    return words[-1] if words else "The supervisor ended at once and said nothing."


def current(home: Home) -> PlatformState:
    """Return the state as last written; unreadable is taken as not yet written."""
    try:
        return states.load(home.run / "state.json")
    except PlatformError:
        return PlatformState()


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of ``end``."""

    ran: bool
    took_s: float
    left: tuple[int, ...] = ()
    """Processes that outlived everything; empty when all is well."""


def end(home: Home) -> Ended:
    """End the supervisor and every process of this home, also what a dead supervisor left."""
    began = time.monotonic()
    supervisor = running(home)
    if supervisor:
        os.kill(supervisor.pid, signal.SIGTERM)
        found = supervisor.process()
        if found and processes.wait_gone([found], _END_TIMEOUT_S):
            processes.send([found], signal.SIGKILL)
            processes.wait_gone([found], 2.0)
    leftovers = _leftovers(home)
    left = processes.end(leftovers, timeout_s=_LEFTOVER_TIMEOUT_S)
    took_s = time.monotonic() - began
    return Ended(bool(supervisor or leftovers), took_s, tuple(one.pid for one in left))


def _leftovers(home: Home) -> list[psutil.Process]:
    """Return what still runs of this home: recorded processes, their families, marked ones."""
    found = {one.pid: one for one in processes.marked(home.root)}
    for engine in states.load_or_set_aside(home.run / "state.json").engines:
        if engine.leader:
            found |= {one.pid: one for one in processes.family(engine.leader, engine.members)}
    return list(found.values())


def restart(home: Home, name: str, timeout_s: float, report: Callable[[EngineState], None]) -> None:
    """Have one engine started again, and wait until it is live.

    Raises:
        NotFoundError: There is no such engine.
        PlatformError: Nothing runs, or the engine did not come back.
    """
    known(name)
    if running(home) is None:
        raise PlatformError("Nothing runs here.", "`mlops up` starts everything.")
    before = current(home).engine(name)
    if before and before.external:
        raise PlatformError(
            f"{before.title} at {before.url} is not ours to restart.", "Restart it where it runs."
        )
    folder = home.run / "requests"
    try:
        folder.mkdir(exist_ok=True)
        (folder / f"restart-{name}").touch()
    except OSError as error:
        raise not_written(folder, error) from error
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        now = current(home).engine(name)
        if now and now.leader and (before is None or now.leader != before.leader):
            report(now)
            if now.phase == "live":
                return
        time.sleep(0.2)
    raise PlatformError(
        f"{name} was not live again within {timeout_s:.0f} s.", f"See `mlops logs {name}`."
    )


def known(name: str) -> str:
    """Return the name of an engine.

    Raises:
        NotFoundError: There is no such engine.
    """
    if name not in BUILDERS:
        raise NotFoundError(
            f"There is no engine {name!r}.", f"The engines are {', '.join(sorted(BUILDERS))}."
        )
    return name


def log_of(home: Home, name: str) -> Path:
    """Return an engine's log, or the supervisor's.

    Raises:
        NotFoundError: There is no such engine, or it has not written anything.
    """
    path = home.logs / f"{name if name == 'supervisor' else known(name)}.log"
    if not path.exists():
        raise NotFoundError(f"{name} has not written a log here yet.", "`mlops up` starts it.")
    return path


def last_lines(home: Home, name: str, lines: int) -> str:
    """Return the last lines of an engine's log.

    Raises:
        NotFoundError: There is no such engine, or it has not written anything.
    """
    return tail(log_of(home, name), lines)
