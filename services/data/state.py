"""What is known of a project's data beside its versions: one small JSON file, and the lock.

``MLOPS_HOME/data/<project>/.mlops/``: ``state.json`` is written whole by rename; ``progress.json``
is what is under way; ``lock`` is held by whoever works on the project's files.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.errors import ConflictError, PlatformError

LOCK_WAIT_S = 600.0
_PAUSE_S = 0.05
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project's versions are kept."""

    project: str
    repository: Path

    @property
    def _own(self) -> Path:
        return self.repository / ".mlops"

    @property
    def progress(self) -> Path:
        """The file that says what is under way."""
        return self._own / "progress.json"

    def load(self) -> Document:
        """Return the state; empty when nothing was ever written.

        Raises:
            PlatformError: It is there and cannot be read.
        """
        path = self._own / "state.json"
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise PlatformError(
                f"{path} cannot be read: {error}.",
                "Move it away: versions stay, what waits for the remote is found anew.",
            ) from error
        return found if isinstance(found, dict) else {}

    def save(self, document: Document) -> None:
        """Write the state whole.

        Raises:
            PlatformError: The disk is full, or the folder is not writable.
        """
        write(self._own / "state.json", document)

    @contextmanager
    def changing(self) -> Iterator[Document]:
        """Give the state to change, and write it; short, beside the long lock.

        Raises:
            PlatformError: It cannot be read or written.
        """
        with _locked(self._own / "state.lock", LOCK_WAIT_S, self.project):
            document = self.load()
            yield document
            self.save(document)

    @contextmanager
    def held(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the project's files: nobody else tracks, checks out or prunes meanwhile.

        Raises:
            ConflictError: Somebody else held them all the time.
            PlatformError: The lock cannot be made.
        """
        with _locked(self._own / "lock", wait_s, self.project):
            try:
                yield
            finally:
                self.progress.unlink(missing_ok=True)

    def busy(self) -> bool:
        """Return whether somebody works on the project's files now.

        The lock is asked, for it dies with its holder: what is written down outlives a kill.
        """
        try:
            handle = os.open(self._own / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def changed_ns(self) -> int:
        """Return when the state was written last, nanoseconds; 0 when never."""
        try:
            return (self._own / "state.json").stat().st_mtime_ns
        except OSError:
            return 0


@contextmanager
def _locked(path: Path, wait_s: float, project: str) -> Iterator[None]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be made: {error.strerror or error}.", "Check who owns the home folder."
        ) from error
    try:
        end = time.monotonic() + wait_s
        while not _try(handle):
            if time.monotonic() > end:
                raise ConflictError(
                    f"Another process works on the files of {project}.",
                    "Wait for its end; `mlops data status` shows what it does.",
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def enqueue(state: Document, kind: str, revision: str) -> None:
    """Put a version on the list of those to be sent; once is enough."""
    if revision not in state.get("sent", {}):
        entry = {"kind": kind, "since": now(), "tries": 0, "reason": "", "tried_at": None}
        state.setdefault("queue", {}).setdefault(revision, entry)


def write(path: Path, document: object) -> None:
    """Write a JSON document whole, readable by its owner alone.

    Raises:
        PlatformError: The disk is full, or the folder is not writable.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(json.dumps(document, indent=1), encoding="utf-8")
        part.chmod(0o600)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise PlatformError(
            f"{path} could not be written: {error.strerror or error}.",
            "Check the room on the disk and who owns the folder.",
        ) from error


def now() -> str:
    """Return this moment as it is written down."""
    return datetime.now(UTC).isoformat()


def moment(text: object) -> datetime | None:
    """Return a written moment; None when there is none."""
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
