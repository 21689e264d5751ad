"""Makes reports and keeps them: in this process, or in one of its own that others wait for.

A report of many projects takes seconds of one core, so who answers people lets a process of its own
make it (``python -m services.reports``). The lock of a report is handed to that process and drops
with it, however it ends: who looks knows whether it is still at work.
"""

import contextlib
import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.errors import MlopsError, PlatformError
from services.home import Home
from services.reports import kept
from services.reports.kept import Kept

if TYPE_CHECKING:
    from services.reports.models import Asked, Window

logger = logging.getLogger(__name__)

TIMEOUT_S = 300.0
_STARTS = 2
"""How often it is started: its process may have been killed with the platform."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made. Times: seconds since 1970."""

    name: str
    project: str | None
    since: float
    until: float
    by: str
    schedule: str = ""

    @classmethod
    def from_json(cls, text: str) -> "Wish":
        """Return what ``asdict`` said."""
        return cls(**json.loads(text))


def make(home: Home, wish: Wish) -> Kept:
    """Make a report here and now, and keep it.

    Raises:
        NotFoundError: There is no such project.
        PlatformError: The databases cannot be opened, or it cannot be kept.
    """
    from services.reports import collecting, html, seals
    from services.reports.headline import headline

    report = collecting.collect(asked(home, _window(wish)), wish.project)
    text = html.page(report)
    content = text.encode()
    missing = tuple(one.title for one in report.sections if one.missing)
    made = Kept(
        wish.name, wish.project, wish.since, wish.until, time.time(), wish.by, wish.schedule,
        len(content), missing, headline(report),
        seals.digest(text) or "",
    )  # fmt: skip
    kept.keep(home, made, content)
    return made


def _window(wish: Wish) -> "Window":
    from services.reports.models import Window

    return Window(datetime.fromtimestamp(wish.since, UTC), datetime.fromtimestamp(wish.until, UTC))


def asked(home: Home, window: "Window") -> "Asked":
    """Return what sections ask of an installation, over a stretch of time.

    Raises:
        PlatformError: The mirror or the journal cannot be opened.
    """
    from services.actions.journal import Journal
    from services.data.service import DataService
    from services.mirror.queries import Mirror
    from services.reports.models import Asked
    from services.settings import Settings
    from services.telemetry.store import Store

    settings = Settings()
    mirror, journal = Mirror.open(settings), Journal.open(settings)
    known = mirror.projects()
    projects = tuple(one.id for one in known)
    data, telemetry = DataService.here(), Store(home.telemetry)
    return Asked(home, mirror, journal, data, telemetry, window, projects, known=known)


# In a process of its own


def begin(home: Home, wish: Wish) -> bool:
    """Have a report made by a process of its own; return False when it is being made already.

    Raises:
        PlatformError: It was started before and ended without a report; the message says why. Or
            no process can be started.
    """
    handle = _lock(home, wish.name)
    if handle is None or kept.find(home, wish.name) is not None:
        if handle is not None:
            os.close(handle)
        return False
    with contextlib.ExitStack() as unless_begun:
        unless_begun.callback(os.close, handle)
        starts = _starts(home, wish.name, handle)
        os.pwrite(handle, b"x", starts)
        threading.Thread(target=_run, args=(home, wish, handle), daemon=True).start()
        unless_begun.pop_all()  # the thread closes it
    return True


def tidy(home: Home, name: str) -> None:
    """Remove what was beside a report while it was made."""
    for path in (_lock_path(home, name), _fault_path(home, name)):
        with contextlib.suppress(OSError):
            path.unlink()


def _run(home: Home, wish: Wish, handle: int) -> None:
    """Start the process with the lock in its hands, and see to its end."""
    command = [sys.executable, "-P", "-m", "services.reports", "make"]
    environment = {**os.environ, "MLOPS_HOME": str(home.root)}
    try:
        subprocess.run(
            command, input=json.dumps(asdict(wish)), text=True, pass_fds=(handle,),
            timeout=TIMEOUT_S, env=environment, check=False, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        note_fault(home, wish.name, PlatformError(
            f"The report was not made within {TIMEOUT_S:g} s.", "Ask for a shorter period."
        ))  # fmt: skip
    except OSError as error:
        note_fault(home, wish.name, PlatformError(
            f"No process could be started that makes the report: {error.strerror or error}.",
            "See that memory and processes are left on this machine.",
        ))  # fmt: skip
    finally:
        os.close(handle)


def _lock(home: Home, name: str) -> int | None:
    """Return the lock of a report; None: somebody has it.

    Raises:
        PlatformError: The folder cannot be written.
    """
    path = _lock_path(home, name)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PlatformError(
            f"The report could not be begun in {path.parent}: {error.strerror or error}.",
            "Free space on its disk, and see that the folder can be written.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _starts(home: Home, name: str, handle: int) -> int:
    """Return how often it was started: a byte each in the file of the lock.

    Raises:
        PlatformError: It failed, or was started often enough.
    """
    fault, starts = _fault(home, name), os.fstat(handle).st_size
    if fault is not None:
        raise fault
    if starts >= _STARTS:
        raise PlatformError(
            "The process that made the report ended without saying why.",
            "See that memory is left on this machine, then ask again.",
        )
    return starts


def note_fault(home: Home, name: str, error: MlopsError) -> None:
    """Leave the reason why there is no report for whoever waits for it."""
    said = json.dumps({"message": error.message, "hint": error.hint})
    try:
        _fault_path(home, name).write_text(said, encoding="utf-8")
    except OSError:
        logger.warning("The report %s was not made: %s", name, error)


def _fault(home: Home, name: str) -> PlatformError | None:
    try:
        said: dict[str, Any] = json.loads(_fault_path(home, name).read_bytes())
        return PlatformError(str(said["message"]), str(said["hint"]))
    except (OSError, ValueError, KeyError):
        return None


def _lock_path(home: Home, name: str) -> Path:
    return kept.base(home) / f".{name}.lock"


def _fault_path(home: Home, name: str) -> Path:
    return kept.base(home) / f".{name}.fault"
