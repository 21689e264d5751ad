"""What a check that somebody asked for tells of itself: a small file that its process writes.

Whoever waits reads it, and goes on reading after a crash: the check goes on meanwhile.
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from services.errors import PlatformError
from services.home import Home
from services.monitoring import folder
from services.process_identity import Identity

LONGEST_S = 1800.0
"""So long a check takes at most; one that takes longer hangs."""
_TOKEN = re.compile(r"[0-9A-Za-z-]{1,60}")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Told:
    """How far a check is."""

    pid: int
    created: float
    """When its process was made, seconds since 1970: ids are used again."""
    said: str = ""
    done: bool = False
    error: str = ""
    hint: str = ""
    lines: tuple[Mapping[str, Any], ...] = ()
    """A verdict each, or why there is none: ``deployed.documents``."""
    tick: float | None = None
    """When it began by this machine's monotonic clock, which all processes share and which neither
    a clock that is set nor, on a Mac, sleep moves; None: told before ticks were."""
    start: str = ""
    """As in ``services.process_identity``."""

    @property
    def alive(self) -> bool:
        """Return whether its process still runs."""
        return self._process() is not None

    @property
    def hangs(self) -> bool:
        """Return whether it takes longer than a check may."""
        if self.tick is None:
            return time.time() - self.created > LONGEST_S
        return time.monotonic() - self.tick > LONGEST_S

    def end(self) -> None:
        """End its process, and Evidently's below it."""
        process = self._process()
        if process is not None:
            end(process)

    def _process(self) -> psutil.Process | None:
        return Identity(self.pid, self.created, self.start).process()


def end(process: psutil.Process) -> None:
    """End a check and what it started."""
    with contextlib.suppress(psutil.Error):  # it ended by itself
        for one in (*process.children(recursive=True), process):
            with contextlib.suppress(psutil.Error):
                one.kill()


def path(home: Home, token: str) -> Path:
    """Return the file of a check.

    Raises:
        ValueError: It is no token.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token has letters, digits and dashes")
    return home.run / "monitoring" / f"{token}.json"


def read(home: Home, token: str) -> Told | None:
    """Return what a check told last; None: it has not begun."""
    try:
        said = orjson.loads(path(home, token).read_bytes())
        return Told(**{**said, "lines": tuple(said["lines"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(target: Path, told: Told) -> None:
    """Tell it in one step.

    Raises:
        PlatformError: The disk is full or cannot be written.
    """
    folder.write(target, orjson.dumps(asdict(told)))


def forget(home: Home, token: str) -> None:
    """Remove what a check told, and what its process wrote."""
    target = path(home, token)
    for file in (target, target.with_suffix(".log")):
        with contextlib.suppress(OSError):  # a small file stays
            file.unlink()


def begin(home: Home, token: str, names: Sequence[str], *, report: bool, wait_s: float) -> Told:
    """Start the process of a check.

    Raises:
        PlatformError: It cannot be started, or the disk is full.
    """
    target = path(home, token)
    arguments = [*names, "--tell", str(target), "--wait", str(wait_s), "--by", "request"]
    child = start(home, [*arguments, *(["--report"] if report else [])], target.with_suffix(".log"))
    made = Identity.of(child.pid) or Identity(child.pid, 0.0)  # it ended at once: its log says why
    # Whoever looks comes and goes; somebody has to bury it.
    threading.Thread(target=child.wait, name=f"check {child.pid}", daemon=True).start()
    told = Told(made.pid, made.created, "it begins", tick=time.monotonic(), start=made.start)
    if not target.exists():  # else it was faster
        write(target, told)
    return told


def start(home: Home, arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start ``python -m services.monitoring``; what it writes goes to ``log``.

    Raises:
        PlatformError: It cannot be started, or the log cannot be written.
    """
    ours = (str(_ROOT), os.environ.get("PYTHONPATH", ""))
    environment = {
        **os.environ,
        "MLOPS_HOME": str(home.root),
        "PYTHONPATH": os.pathsep.join(part for part in ours if part),
    }
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "services.monitoring", *arguments],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip
    except OSError as error:
        raise PlatformError(
            f"No process for a check could be started: {error.strerror or error}.",
            "See that memory, processes and room on the disk are left on this machine.",
        ) from error


def last_line(log: Path) -> str:
    """Return the last line that a process wrote, without its end mark; empty when it wrote none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300].rstrip(".") if lines else ""
