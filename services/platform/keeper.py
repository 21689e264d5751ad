"""One engine's life: started, asked, started again when it ends, stopped with all it started."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from services.errors import PlatformError
from services.home import Home, toolkit_root
from services.platform import ports, processes
from services.platform.engines import EngineSpec, Setup
from services.platform.files import not_written
from services.platform.logs import tail
from services.platform.state import EngineState, Phase
from services.process_identity import Identity

logger = logging.getLogger(__name__)

_TAIL_LINES = 12
_LEFT_S = 30.0
"""What is left of a process that was asked alone has so long."""

Environment = Callable[[Home, str], dict[str, str]]
"""The variables of a process, by home and mark."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an engine is asked and how long is waited before it is started again."""

    asked_starting_s: float = 0.25
    asked_live_s: float = 5.0
    counted_s: float = 15.0
    """How often its processes are counted; that costs a look at every process of the machine."""
    looked_s: float = 0.25
    """How soon the end of its process is seen."""
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    stable_s: float = 30.0
    """After so long a life the next end counts as the first."""
    failing_after: int = 5
    """So many quick ends in a row make the engine count as failing; it is still tried."""

    def wait_s(self, quick_ends: int) -> float:
        """Return how long to wait after so many quick ends in a row."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(max(quick_ends - 1, 0), 16))


class Keeper:
    """Keeps one engine alive in a thread of its own."""

    def __init__(
        self,
        spec: EngineSpec,
        home: Home,
        publish: Callable[[EngineState], None],
        *,
        before: EngineState | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.spec = spec
        self._home = home
        self._publish = publish
        self._pace = pace or Pace()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._again = False
        self._child: subprocess.Popen[bytes] | None = None
        self._before = before
        self._quick_ends = 0
        self._state = EngineState(
            spec.name,
            spec.title,
            url=spec.url,
            version=spec.version,
            external=spec.external,
            fingerprint=spec.fingerprint,
            answered_at=before.answered_at if before else None,
        )
        self._told: EngineState | None = None
        self._counted = -1e9
        self.thread = threading.Thread(target=self._live, name=spec.name, daemon=True)

    @property
    def log(self) -> Path:
        """Where the engine writes."""
        return self._home.logs / f"{self.spec.name}.log"

    def start(self) -> None:
        """Begin to keep it."""
        self.thread.start()

    def stop(self) -> None:
        """Ask for its end; ``thread`` ends when it is gone."""
        self._stop.set()
        self._wake.set()

    def restart(self) -> None:
        """End it and start it afresh, at once even when it waits for its next try."""
        self._again = True
        self._wake.set()

    # Its life

    def _live(self) -> None:
        adopted = self._adopt()
        while not self._stop.is_set():
            began = time.monotonic()
            reason = "" if adopted else (self._set_up() or self._begin())
            reason = reason or self._watch()
            adopted = self.spec.external
            if self._stop.is_set():
                break
            if self._again:
                self._again, self._quick_ends = False, 0
                self._phase("stopping", "It is started again.")
                self._finish()
                continue
            self._finish(stopped=False)
            self._pause(reason, time.monotonic() - began)
        self._phase("stopping")
        self._finish()
        self._phase("stopped")

    def _adopt(self) -> bool:
        """Take over a process that outlived its supervisor, when it is what we would start."""
        before = self._before
        if self.spec.external:
            self._phase("starting")
            return True
        if before is None or before.leader is None:
            return False
        leader = before.leader
        self._change(leader=leader, members=before.members)
        same = before.fingerprint == self.spec.fingerprint
        if same and leader.alive and self._answers(leader.began_at()):
            logger.info("%s still runs (pid %s) and is adopted.", self.spec.name, leader.pid)
            # As it is known today: what was noted by an earlier version has less in it.
            self._change(leader=Identity.of(leader.pid) or leader)
            self._phase("starting", "Adopted from an earlier supervisor.")
            return True
        self._finish()
        return False

    def _set_up(self) -> str:
        """Make, or wait for, what must be there before; return why it could not be made."""
        setup = self.spec.setup
        while setup and not self._ending and (missing := setup.missing()):
            self._phase("starting", missing)
            if not setup.argv:
                self._wait(self._pace.looked_s)
            elif failed := self._make(setup):
                return failed
        return ""

    def _make(self, setup: Setup) -> str:
        deadline = time.monotonic() + setup.timeout_s
        if failed := self._launch(setup.argv, toolkit_root(), self.spec.setup_environment):
            return failed
        while not self._ending and time.monotonic() < deadline:
            code = self._child.poll() if self._child else 0
            said = tail(self.log, 1).strip()
            if code is not None:
                self._finish()
                return "" if code == 0 else f"It could not be set up. {said}"
            self._phase("starting", said)
            self._wait(self._pace.looked_s)
        self._finish()
        return "" if self._ending else f"It was not set up within {setup.timeout_s:.0f} s."

    @property
    def _ending(self) -> bool:
        return self._stop.is_set() or self._again

    def _begin(self) -> str:
        """Start the process; return why it could not be started."""
        spec = self.spec
        if self._ending:
            return ""
        self._phase("starting")
        if fault := spec.fault():
            return fault
        if spec.port is not None and not ports.is_free(spec.port):
            holder = ports.holder(spec.port) or "another process"
            return (
                f"Port {spec.port} is taken by {holder}. "
                "`mlops down`, then `mlops up`, takes another."
            )
        return self._launch(spec.argv, spec.cwd, spec.environment)

    def _launch(self, argv: Sequence[str], cwd: Path, environment: Environment) -> str:
        try:
            self._child = self._spawn(argv, cwd, environment)
        except PlatformError as error:
            return str(error)
        except OSError as error:
            return f"{argv[0]} could not be started: {error.strerror or error}."
        leader = Identity.of(self._child.pid)
        self._counted = -1e9
        self._change(leader=leader, members=(leader,) if leader else ())
        logger.info("%s started (pid %s).", self.spec.name, self._child.pid)
        return ""

    def _spawn(
        self, argv: Sequence[str], cwd: Path, environment: Environment
    ) -> subprocess.Popen[bytes]:
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise not_written(self.log, error) from error
        try:
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env=environment(self._home, processes.mark(self._home.root, self.spec.name)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    # Watching

    def _watch(self) -> str:
        """Ask it again and again; return why its process must be started anew, empty to stop."""
        asked, well = -1e9, time.monotonic()
        while not self._ending:
            if ended := self._ended():
                return ended
            now = time.monotonic()
            live = self._state.phase == "live"
            if now - asked >= (self._pace.asked_live_s if live else self._pace.asked_starting_s):
                asked = now
                well = now if self._ask() else well
                if given_up := self._given_up(time.monotonic() - well):
                    return given_up
            self._wait(self._pace.looked_s)
        return ""

    def _ask(self) -> bool:
        leader = self._state.leader
        answer = self.spec.ready(leader.began_at() if leader else 0.0)
        # A process that ended meanwhile did not answer; somebody else on its port did.
        if answer.ready and not self._ended():
            self._count()
            self._change(answered_at=time.time())
            self._phase("live", answer.detail)
            return True
        if self._state.phase in {"live", "unresponsive"}:
            self._phase("unresponsive", answer.detail)
        else:
            self._phase("starting", answer.detail)
        return answer.unknown

    def _answers(self, started_at: float) -> bool:
        return any(self.spec.ready(started_at).ready for _ in range(2))

    def _given_up(self, unwell_s: float) -> str:
        if self.spec.external:
            return ""
        spec, state = self.spec, self._state
        if state.phase == "starting" and unwell_s > spec.start_timeout_s:
            return f"It was not ready within {spec.start_timeout_s:.0f} s. {state.detail}".strip()
        if state.phase == "unresponsive" and unwell_s > spec.hang_timeout_s:
            return f"It has not answered for {spec.hang_timeout_s:.0f} s. {state.detail}".strip()
        return ""

    def _ended(self) -> str:
        if self.spec.external:
            return ""
        if self._child is not None:
            code = self._child.poll()
            return "" if code is None else f"Its process ended with {_code_words(code)}."
        leader = self._state.leader
        return "" if leader and leader.alive else "Its process ended."

    def _count(self) -> None:
        """Note its processes, so that they are found even if their parents are gone by then."""
        leader, now = self._state.leader, time.monotonic()
        if leader is None or now - self._counted < self._pace.counted_s:
            return
        self._counted = now
        found = processes.family(leader, self._state.members)
        self._change(members=tuple(one for each in found if (one := Identity.of(each.pid))))

    # Ending

    def _finish(self, *, stopped: bool = True) -> None:
        """End the process and everything it started; nothing of it is left.

        When it was not stopped but ended or hung, what serves on without it is left to its next
        life.
        """
        leader = self._state.leader
        if self.spec.external or leader is None:
            return
        members = processes.family(leader, self._state.members)
        if self.spec.stop_scope == "leader":
            first = [process for process in members if process.pid == leader.pid]
            processes.send(first, self.spec.stop_signal)
            processes.wait_gone(first, self.spec.stop_timeout_s)
            members = processes.family(leader, self._state.members)
        known = {process.pid: process for process in members}
        for process in processes.marked(self._home.root, self.spec.name):
            known.setdefault(process.pid, process)
        ending = list(known.values())
        if not stopped and self.spec.outlived_by:
            staying = processes.carrying(self.spec.outlived_by, ending)
            ending = [process for process in ending if process.pid not in staying]
        self._end_all(ending)
        self._change(leader=None, members=())

    def _end_all(self, members: list[psutil.Process]) -> None:
        timeout_s = self.spec.stop_timeout_s
        if self.spec.stop_scope == "leader":
            timeout_s = min(timeout_s, _LEFT_S)  # who leads had its time, or is gone
        left = processes.end(members, stop_signal=self.spec.stop_signal, timeout_s=timeout_s)
        if self._child is not None:
            # Its first thread may look buried while others are still on their way out.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(2.0)
            self._child = None
        if left:
            logger.error("%s: %s outlived SIGKILL.", self.spec.name, [one.pid for one in left])

    def _pause(self, reason: str, lived_s: float) -> None:
        was_live = self._state.phase in {"live", "unresponsive"}
        stable = was_live and lived_s >= self._pace.stable_s
        self._quick_ends = 1 if stable else self._quick_ends + 1
        wait_s = self._pace.wait_s(self._quick_ends)
        times = "" if self._quick_ends == 1 else f" {self._quick_ends} times in a row;"
        detail = f"{reason}{times} Next try in {wait_s:.0f} s."
        logger.warning("%s: %s", self.spec.name, detail)
        self._change(ends=self._state.ends + 1, last_lines=tail(self.log, _TAIL_LINES))
        failing = self._quick_ends >= self._pace.failing_after
        self._phase("failing" if failing else "waiting", detail)
        deadline = time.monotonic() + wait_s
        while not self._ending and time.monotonic() < deadline:
            self._wait(deadline - time.monotonic())

    def _wait(self, seconds: float) -> None:
        self._wake.wait(max(0.0, seconds))
        self._wake.clear()

    # Telling

    def _change(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]  # names are checked by replace

    def _phase(self, phase: Phase, detail: str = "") -> None:
        changed = self._state.with_phase(phase, time.time(), detail)
        if changed == self._told:
            return
        self._state = self._told = changed
        self._publish(changed)


def _code_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
