"""Which data a run saw and which models it left, recorded without being asked.

Before a run starts, the project's listed data is compared with what was recorded last, by names,
sizes and times; when it differs, the platform records it. Models are recorded when the process
ends. What fails is a sentence and a tag with the reason: training goes on.
"""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlops_client import fingerprint, presence, recording
from mlops_client.fingerprint import Listing
from mlops_client.project import Project, listed
from mlops_client.recording import Kind, NotRecordedError, Recorded, is_on
from mlops_client.saying import warn

__all__ = ["REASON", "REVISION", "Ended", "Versions", "is_on", "of"]

REVISION: dict[Kind, str] = {"data": "mlops.data.revision", "models": "mlops.models.revision"}
REASON: dict[Kind, str] = {"data": "mlops.data.reason", "models": "mlops.models.reason"}

_WHAT: dict[Kind, str] = {"data": "data of this project is", "models": "models of this project are"}
_SHARE = 20
"""Looking again takes at most one part in so many of a program that makes many short runs."""
_LOCK_WAIT_S = 660.0
_PAUSE_S = 0.05
_REASON_LIMIT = 500
_MIB = 1 << 20
_CHANGED_MEANWHILE = (
    "Data changed while another run of this process was going on; it is recorded before the next "
    "run that starts alone."
)
_NOT_ALONE = (
    "Another run of this project was still going on when this one ended; the models are recorded "
    "when the last one ends."
)


@dataclass(frozen=True, slots=True)
class Ended:
    """What is to be tagged at the end of a process."""

    runs: tuple[str, ...]
    """Ids, also of ended processes that waited for this one."""
    tags: dict[str, str]
    late: frozenset[str] = frozenset()
    """Those of ``runs`` that carry a reason, which is over now."""


class Versions:
    """The data and models of one project, as the runs of this process see them."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._root = project.path
        self._lock = threading.RLock()
        self._data: dict[str, str] = {}
        self._looked_at = -float("inf")
        self._took_s = 0.0
        self._made: dict[str, None] = {}
        self._continued: dict[str, None] = {}
        self._before: str | None = None
        self._released_at: tuple[int, int] | None = None
        self._active: set[str] = set()
        self._said: set[str] = set()
        self._holding = 0

    # Data

    def data_tags(self) -> dict[str, str]:
        """Return the tags of a run that starts now; the platform records what has changed."""
        if not is_on():
            return {}
        with self._lock, _harmless():
            if time.monotonic() - self._looked_at >= _SHARE * self._took_s:
                begun = time.monotonic()
                self._data = {}
                self._data = self._data_now()
                self._looked_at = time.monotonic()
                self._took_s = self._looked_at - begun
        return self._data

    def _data_now(self) -> dict[str, str]:
        paths = self._listed("data")
        if not paths:
            return {}
        found = self._unchanged("data", self._look(paths))
        if found is None and self._active:
            return {REASON["data"]: _CHANGED_MEANWHILE}
        return self._tags("data", found) if found else self._track("data", paths)

    # Runs

    def begin(
        self, run_id: str, present: presence.Presence, *, made: bool, reads_only: bool = False
    ) -> None:
        """Note that a run goes on in this process, made here or continued.

        Before the first one recorded models are made writable, unless it only reads them.
        """
        with self._lock, _harmless():
            alone = not self._active
            first = run_id not in self._active and bool(self._listed("models"))
            self._active.add(run_id)
            if not first:
                present.begin(run_id)
                return
            (self._made if made else self._continued)[run_id] = None
            if not made and self._before is None:
                now = self._look(self._listed("models"))
                self._before = now.fingerprint if now else ""
            if not alone or reads_only:
                present.begin(run_id)
                return
            # A process that ends now sees this one, or has recorded before this one looks.
            with self._held():
                present.begin(run_id)
                self._release()

    def end(self, run_id: str) -> None:
        """Note that a run has ended."""
        with self._lock:
            self._active.discard(run_id)

    def _release(self) -> None:
        noted = _stamp(recording.noted_in(self._root, "models"))
        if noted is None or noted == self._released_at:
            return  # nothing was recorded since: only recording makes links
        self._released_at = noted
        now = self._look(self._listed("models"))
        if now is None or not now.is_linked:
            return
        what = f"recorded models{_size(now)} are being made writable; the run starts"
        try:
            recording.release(self._root, "models", lambda: warn(f"{what} when that is done."))
        except NotRecordedError as error:
            self._warn(f"recorded models could not be made writable: {error} Training goes on.")

    # The end

    def at_exit(self) -> Ended | None:
        """Record the models this process left; None when no run is to be tagged with them."""
        if not (self._made or self._continued):
            return None
        with self._lock, _harmless(), self._held():
            return self._ended(self._listed("models"))
        return None

    def _ended(self, paths: tuple[str, ...]) -> Ended | None:
        mine = self._touched(paths)
        if any(presence.others(self._project.id)):
            self._wait_for_last(mine)
            return Ended(mine, {REASON["models"]: _NOT_ALONE}) if mine else None
        found = self._unchanged("models", self._look(paths))
        tags = self._tags("models", found) if found else self._track("models", paths)
        late = self._waiting()
        runs = tuple(dict.fromkeys([*mine, *late]))
        return Ended(runs, tags, frozenset(late)) if runs else None

    def _touched(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Return the runs whose models these are; a continued run's only when they changed."""
        if not self._continued:
            return tuple(self._made)
        now = self._look(paths)
        changed = now is None or now.fingerprint != self._before
        return tuple(dict.fromkeys([*self._made, *(self._continued if changed else ())]))

    def _wait_for_last(self, runs: tuple[str, ...]) -> None:
        lines = "".join(json.dumps({"run_id": run_id}) + "\n" for run_id in runs)
        with contextlib.suppress(OSError), self._waiting_file.open("a", encoding="utf-8") as file:
            file.write(lines)

    def _waiting(self) -> list[str]:
        try:
            lines = self._waiting_file.read_text(encoding="utf-8").splitlines()
            self._waiting_file.unlink()
            return [str(json.loads(line)["run_id"]) for line in lines]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @property
    def _waiting_file(self) -> Path:
        return self._root / ".mlops" / "versions" / "waiting.jsonl"

    # Both kinds

    def _listed(self, kind: Kind) -> tuple[str, ...]:
        return listed(self._project, kind) if is_on() else ()

    def _look(self, paths: tuple[str, ...]) -> Listing | None:
        try:
            return fingerprint.look(self._root, paths)
        except (OSError, ValueError):
            return None  # the command will say what is wrong, with what to do

    def _unchanged(self, kind: Kind, now: Listing | None) -> Recorded | None:
        """Return what was recorded last when it is what is there now, and is still kept."""
        found = recording.known(self._root, kind)
        same = found is not None and now is not None and found.fingerprint == now.fingerprint
        return found if same and self._is_kept() else None

    def _is_kept(self) -> bool:
        """Return whether the home folder has the project's versions: it may be a fresh one."""
        home = os.environ.get(presence.HOME)
        return not home or (Path(home) / "data" / self._project.id).is_dir()

    def _track(self, kind: Kind, paths: tuple[str, ...]) -> dict[str, str]:
        with self._held():  # of processes that start together the first records
            now = self._look(paths)
            found = self._unchanged(kind, now)
            if found is not None:
                return self._tags(kind, found)
            try:
                made = recording.track(self._root, kind, lambda: self._say_size(kind, now))
            except NotRecordedError as error:
                self._warn(f"{_WHAT[kind]} not recorded: {error} Training goes on.")
                return {REASON[kind]: str(error)[:_REASON_LIMIT]}
        return self._tags(kind, made)

    def _tags(self, kind: Kind, found: Recorded) -> dict[str, str]:
        tags = {REVISION[kind]: found.revision or "", REASON[kind]: found.reason[:_REASON_LIMIT]}
        return {name: text for name, text in tags.items() if text}

    def _say_size(self, kind: Kind, now: Listing | None) -> None:
        then = "the run starts" if kind == "data" else "this process ends"
        warn(f"{_WHAT[kind]} being recorded{_size(now)}; {then} when that is done.")

    def _warn(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            warn(sentence)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Keep other processes of the project from starting or ending meanwhile, if possible."""
        handle = None if self._holding else self._lock_file()
        self._holding += 1
        try:
            end = time.monotonic() + _LOCK_WAIT_S
            while handle is not None and not _locked(handle) and time.monotonic() < end:
                time.sleep(_PAUSE_S)
            yield
        finally:
            self._holding -= 1
            if handle is not None:
                # Closing is not enough: a child forked by another thread has it open too.
                with contextlib.suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_UN)
                os.close(handle)

    def _lock_file(self) -> int | None:
        folder = self._root / ".mlops" / "versions"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None  # nothing can be written here: who records says so


@lru_cache(maxsize=8)
def of(project: Project) -> Versions:
    """Return the versions of a project in this process."""
    return Versions(project)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=of.cache_clear)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextlib.contextmanager
def _harmless() -> Iterator[None]:
    """Let a fault of ours be a sentence: training goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, a training must not end of it
        warn(f"data and models are not recorded ({error!r}). Training goes on.")


def _size(now: Listing | None) -> str:
    if now is None:
        return ""
    files = "1 file" if now.files == 1 else f"{now.files:,} files"
    return f" ({files}, {now.bytes / _MIB:,.1f} MiB)"


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
