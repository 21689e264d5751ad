"""Checks for drift: a round each hour where no workflow makes it, and what the last ones said.

With Airflow the workflow ``platform.monitor`` makes the rounds. When none came for an hour and a
quarter, because Airflow is away or there is none, this loop makes one: a process of its own under
the lock that all rounds take, and which does nothing where another began meanwhile.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from services.actions.journal import Journal
from services.alerting.rules.unchecked import GRACE_S as _GRACE_S
from services.alerting.rules.unchecked import PERIOD_S as _PERIOD_S
from services.alerting.rules.unchecked import RETRY_S as _RETRY_S
from services.errors import NotFoundError
from services.home import Home
from services.mirror.workflow_queries import Workflows
from services.monitoring import folder, record, told
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore
from services.serving import store as deployments

if TYPE_CHECKING:
    import subprocess

INTERVAL_S = 5.0
BY = "controller"
_FIRST_S = 60.0
"""After the controller's start, when there was no round yet."""
_YOUNG_S = 3000.0
_WAIT_S = 900.0
_AHEAD_S = 60.0

Start = Callable[[Home, Sequence[str], Path], "subprocess.Popen[bytes]"]


@dataclass(slots=True)
class _Child:
    process: "subprocess.Popen[bytes]"
    tick: float
    """When it was started, by the clock that nobody sets."""
    log: Path
    before: tuple[float | None, float | None]
    """When rounds had last ended and come to nothing then, by the record."""


@dataclass(slots=True)
class MonitoringWatch:
    """Makes rounds of checks."""

    home: Home
    journal: Journal
    workflows: Workflows | None
    """Where the workflow is known; None: there is no Airflow."""
    workflow: str
    """Its id."""
    clock: Callable[[], float] = time.time
    start: Start = told.start
    ticks: Callable[[], float] = time.monotonic
    """Lengths within this process are by it: a clock that is set, or a Mac that slept, makes no
    check hang."""
    _began: float | None = None
    """When this loop began, by ``ticks``."""
    _child: _Child | None = None
    _failed_tick: float | None = None
    """When a round last came to nothing, also where no disk took a note of it."""

    def turn(self) -> None:
        """Look once.

        Raises:
            JournalError: The journal cannot be read.
            PlatformError: No process can be started, or the disk is full.
        """
        now, tick = self.clock(), self.ticks()
        if self._began is None:
            self._began = tick
        if self._child is not None:
            self._look_after(self._child, now, tick)
        elif self._is_due(now, tick - self._began, tick):
            seen = record.read(self.home)
            log = self.home.run / "monitoring" / "round.log"
            arguments = (
                "--by", BY, "--wait", str(_WAIT_S), "--unless-younger", str(_YOUNG_S),
            )  # fmt: skip
            process = self.start(self.home, arguments, log)
            self._child = _Child(process, tick, log, (seen.ended, seen.failed_at))

    def _is_due(self, now: float, up_s: float, tick: float) -> bool:
        if self._failed_tick is not None and tick - self._failed_tick < _RETRY_S:
            return False
        if not any(one.live for one in deployments.endpoints(self.journal)):
            return False
        if self._is_paused():  # somebody's decision; the rule of alerts says what it means
            return False
        seen = record.read(self.home)
        grace = 0.0 if self.workflows is None else _GRACE_S
        if seen.failing and seen.failed_at is not None:
            return not 0 <= now - seen.failed_at < _RETRY_S
        if seen.began is None:
            return up_s >= max(grace, _FIRST_S)
        return now - seen.began >= _PERIOD_S + grace or seen.began > now + _AHEAD_S

    def _is_paused(self) -> bool:
        if self.workflows is None:
            return False
        try:
            return self.workflows.workflow(self.workflow).paused
        except NotFoundError:
            return False

    def _look_after(self, child: _Child, now: float, tick: float) -> None:
        code = child.process.poll()
        if code is None:
            if tick - child.tick >= told.LONGEST_S + _WAIT_S:
                with contextlib.suppress(psutil.Error):  # it ended this moment
                    told.end(psutil.Process(child.process.pid))
            return
        self._child, self._failed_tick = None, None if code == 0 else tick
        if code == 0:
            return
        seen = record.read(self.home)
        if (seen.ended, seen.failed_at) != child.before:
            return  # it noted itself what failed
        last = told.last_line(child.log)
        record.failed(
            self.home,
            now,
            BY,
            f"The process of the check ended with {code}{f': {last}' if last else ''}.",
            "It was killed, hung, or the machine had no memory left for it; it is tried again.",
        )


def answering(journal: Journal) -> list[tuple[str, str, int]]:
    """Return what answers: of each endpoint the live version, and a canary.

    Raises:
        JournalError: The journal cannot be read.
    """
    found = []
    for one in deployments.endpoints(journal):
        if one.live is None:
            continue
        found.append((one.project, one.model, one.live.version))
        if one.rollout is not None and one.rollout.strategy != "shadow":
            found.append((one.project, one.model, one.rollout.target.version))
    return found


@dataclass(slots=True)
class LatestVerdicts:
    """The newest verdicts on the versions that answer, read when there are new ones."""

    home: Home
    journal: Journal
    _store: VerdictStore | None = None
    _inode: int = -1
    _stamp: object = None
    _verdicts: tuple[Verdict, ...] = ()
    _known: dict[str, Verdict] = field(default_factory=dict)

    def __call__(self) -> tuple[Verdict, ...]:
        """Return them.

        Raises:
            JournalError: The journal cannot be read.
            PlatformError: The verdicts cannot be read.
        """
        versions = frozenset(answering(self.journal))
        store = self._opened()
        stamp = (versions, *self._changed())
        if stamp != self._stamp:
            mine = [
                one
                for one in store.latest(by_version=True)
                if (one.project, one.model, one.version) in versions
            ]
            known: dict[str, Verdict] = {}
            for one in mine:
                with contextlib.suppress(NotFoundError):  # its file is gone: nothing is known of it
                    known[one.id] = self._known.get(one.id) or store.verdict(one.id)
            self._known, self._verdicts, self._stamp = known, tuple(known.values()), stamp
        return self._verdicts

    @property
    def _path(self) -> Path:
        return folder.base(self.home) / "verdicts.db"

    def _opened(self) -> VerdictStore:
        """Return the store, opened anew when its file was replaced."""
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = -1
        if self._store is None or inode != self._inode:
            if self._store is not None:
                self._store.close()
            self._store = VerdictStore(self.home)
            self._inode, self._stamp = self._path.stat().st_ino, None
        return self._store

    def _changed(self) -> tuple[int, ...]:
        """Return what changes when a verdict is written."""
        found = []
        for end in ("", "-wal"):
            try:
                seen = Path(f"{self._path}{end}").stat()
                found += [seen.st_mtime_ns, seen.st_size]
            except OSError:
                found += [0, 0]
        return tuple(found)
