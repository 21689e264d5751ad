"""Where a host's files are, and who holds them.

    <folder>/<host>/machine.json        what the machine is, and its name
                    open/N-ID.open      the segment being written; N-ID.log, closed, not yet merged
                    full/<start>.blk    an hour as it was sampled      (retention: full_days)
                    processes/…         its processes                  (process_days)
                    owners/…            a day of minutes by owner      (minute_days)
                    60/…                a day of minutes               (minute_days)
                    600/… 10800/…       ten days, half a year, in 10 min and 3 h    (days)
                    notes/YYYY-MM.jsonl what others noted
                    quarantine/         damaged files, each with a sentence

Windows are aligned to 1970 in UTC: a late sample lands in the file of its own hour.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.errors import PlatformError

logger = logging.getLogger(__name__)

HOUR_S = 3600
DAY_S = 86_400
WINDOWS: dict[str, int] = {
    "full": HOUR_S,
    "processes": HOUR_S,
    "owners": DAY_S,
    "60": DAY_S,
    "600": 10 * DAY_S,
    "10800": 180 * DAY_S,
}
"""Seconds that one file of a kind holds."""

TIERS = (60, 600, 10_800)
"""Seconds of a bucket of each downsampled kind, finest first; each divides the next."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days each kind is kept."""

    full_days: float = 14.0
    process_days: float = 7.0
    minute_days: float = 90.0
    days: float = 730.0

    def of(self, kind: str) -> float:
        """Return the seconds for which a kind of file is kept after the end of its window."""
        days = {"full": self.full_days, "processes": self.process_days, "60": self.minute_days}
        return DAY_S * (self.minute_days if kind == "owners" else days.get(kind, self.days))


class HostFolder:
    """The files of one host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.machine = path / "machine.json"
        self.quarantine = path / "quarantine"
        self.notes = path / "notes"

    @property
    def slug(self) -> str:
        """Return the folder's name."""
        return self.path.name

    def version(self) -> tuple[int, int]:
        """Return what changes when an hour is written or the machine says what it is."""
        return _changed(self.path / "full"), _changed(self.machine)

    def segments(self, suffix: str = "") -> list[Path]:
        """Return the segments not yet merged, oldest first."""
        found = _names(self.path / "open")
        ends = (suffix,) if suffix else (".open", ".log")
        return [self.path / "open" / name for name in sorted(found) if name.endswith(ends)]

    def block(self, kind: str, start: int) -> Path:
        """Return where the block of a window is, or would be."""
        return self.path / kind / f"{start}.blk"

    def starts(self, kind: str) -> list[int]:
        """Return where the windows begin of which there is a block, in order."""
        names = _names(self.path / kind)
        return sorted(
            int(n[:-4]) for n in names if n.endswith(".blk") and n[:-4].lstrip("-").isdigit()
        )

    def set_aside(self, path: Path, sentence: str) -> None:
        """Move a damaged file to the quarantine, with a sentence beside it."""
        name = f"{path.parent.name}-{path.name}"
        with contextlib.suppress(OSError):  # the same next time: nothing is lost by leaving it
            self.quarantine.mkdir(exist_ok=True)
            path.replace(self.quarantine / name)
            (self.quarantine / f"{name}.txt").write_text(sentence, encoding="utf-8")
        logger.warning("%s", sentence)

    def problems(self) -> tuple[str, ...]:
        """Return the sentences of the quarantine."""
        names = sorted(n for n in _names(self.quarantine) if n.endswith(".txt"))
        return tuple((self.quarantine / n).read_text(encoding="utf-8") for n in names)


_PLAIN = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  ten times as fast as building paths
    except (FileNotFoundError, NotADirectoryError):
        return []


def slug(host: str) -> str:
    """Return a folder name of a host: safe on every file system, also one that folds case."""
    if _PLAIN.match(host):
        return host
    readable = re.sub(r"[^a-z0-9_-]+", "-", host.lower()).strip("-")[:40]
    return f"{readable or 'host'}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader sees the old one or the new one, never a part.

    Raises:
        OSError: The old file is untouched.
    """
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def lock(path: Path, said: str) -> int:
    """Take a lock for as long as the process lives or the handle is open.

    Raises:
        PlatformError: Somebody has it; ``said`` is the sentence.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise PlatformError(said, "End the other one first; readers need no lock.") from None
    return handle


def spoken(start: int, seconds: int) -> str:
    """Return a window for a sentence."""
    begin = datetime.fromtimestamp(start, UTC)
    end = datetime.fromtimestamp(start + seconds, UTC)
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
