"""The process that keeps the engines: ``python -m services.platform.supervisor``.

It holds a lock for as long as it lives, writes what it knows to ``run/state.json``, and takes
requests (``restart ENGINE``) from files in ``run/requests``.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from types import FrameType

from services.errors import MlopsError, PlatformError
from services.home import Home
from services.platform import airflow, lock, ports, processes, secrets
from services.platform import state as states
from services.platform.configuration import load_settings
from services.platform.control import ALREADY_RUNS
from services.platform.engines import PARTS, EngineSpec, build, preferred_ports
from services.platform.files import write_json
from services.platform.keeper import Keeper, Pace
from services.platform.logs import rotate
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity
from services.resources.leases import LeaseBook
from services.serving.lease_keeping import forget_all

logger = logging.getLogger(__name__)

_LOOK_S = 0.25
_ROTATE_EVERY_S = 10.0

Specs = Callable[[Home, PlatformState], tuple[EngineSpec, ...]]


def configured_specs(home: Home, before: PlatformState) -> tuple[EngineSpec, ...]:
    """Return the engines of this installation, with their ports and secrets.

    Raises:
        PlatformError: Settings, ports or secrets are not usable.
    """
    settings = load_settings()
    secrets.ensure(home)
    kept = [one.name for one in before.engines if one.leader and one.leader.alive]
    chosen = ports.choose(home, preferred_ports(settings), kept)
    if not settings.serving_enabled:
        forget_all(LeaseBook(home.run / "leases.json"))
    if "airflow" in chosen:
        airflow.prepare(home, settings, chosen["airflow"])
    return build(home, settings, chosen)


class Supervisor:
    """Keeps the engines of one home until told to stop."""

    def __init__(
        self, home: Home, specs: Specs = configured_specs, pace: Pace | None = None
    ) -> None:
        self._home = home
        self._specs = specs
        self._pace = pace
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._state = PlatformState(Identity.of(os.getpid()), time.time())
        self._unwritten = ""
        self._keepers: dict[str, Keeper] = {}

    @property
    def state(self) -> PlatformState:
        """What is known now."""
        return self._state

    def stop(self) -> None:
        """Ask for the end; ``run`` returns when every engine is gone."""
        self._stop.set()

    def run(self) -> None:
        """Keep the engines until stopped.

        Raises:
            PlatformError: The platform cannot start; nothing was started.
        """
        path = self._home.run / "state.json"
        before = states.load_or_set_aside(path)
        specs = self._specs(self._home, before)
        self._clear_strangers(specs, before)
        self._state = replace(self._state, wanted=tuple(spec.name for spec in specs))
        for spec in specs:
            known = before.engine(spec.name)
            self._keepers[spec.name] = Keeper(
                spec, self._home, self._publish, before=known, pace=self._pace
            )
        try:
            for keeper in self._keepers.values():
                keeper.start()
            self._turn_until_stopped()
        finally:
            self._stop_all()

    def _turn_until_stopped(self) -> None:
        rotated = 0.0
        while not self._stop.wait(_LOOK_S):
            self._take_requests()
            if time.monotonic() - rotated >= _ROTATE_EVERY_S:
                rotated = time.monotonic()
                for path in self._home.logs.glob("*.log"):
                    rotate(path)
                if self._unwritten:
                    self._write()
            for keeper in self._keepers.values():
                if not keeper.thread.is_alive():
                    # Rather no platform than one that looks kept and is not.
                    raise PlatformError(
                        f"The keeper of {keeper.spec.name} ended by a bug; see above."
                    )

    def _take_requests(self) -> None:
        folder = self._home.run / "requests"
        for path in folder.glob("restart-*") if folder.is_dir() else ():
            path.unlink(missing_ok=True)
            name = path.name.removeprefix("restart-")
            for one, keeper in self._keepers.items():
                if one == name or (one in PARTS and PARTS[one].of == name):
                    logger.info("%s is started again on request.", one)
                    keeper.restart()

    def _stop_all(self) -> None:
        for keeper in self._keepers.values():
            keeper.stop()
        for keeper in self._keepers.values():
            if keeper.thread.ident is not None:
                keeper.thread.join()
        left = processes.end(processes.marked(self._home.root), timeout_s=1.0)
        if left:
            logger.error("These processes outlive SIGKILL: %s", [one.pid for one in left])
        with self._guard:
            self._state = replace(self._state, supervisor=None)
        self._write()

    def _clear_strangers(self, specs: Iterable[EngineSpec], before: PlatformState) -> None:
        """End what an earlier supervisor left that no keeper will adopt."""
        adoptable: set[int] = set()
        for spec in specs:
            known = before.engine(spec.name)
            if known and known.leader and known.leader.alive:
                found = processes.family(known.leader, known.members)
                adoptable.update(one.pid for one in found)
        strays = [one for one in processes.marked(self._home.root) if one.pid not in adoptable]
        if strays:
            logger.warning("Ending %s left by an earlier start.", [one.pid for one in strays])
            processes.end(strays)

    # Telling

    def _publish(self, engine: EngineState) -> None:
        with self._guard:
            known = {one.name: one for one in self._state.engines} | {engine.name: engine}
            order = [name for name in self._keepers if name in known]
            self._state = replace(self._state, engines=tuple(known[name] for name in order))
        self._write()

    def _write(self) -> None:
        """Note the state; a full disk is said once and never stops the engines."""
        with self._guard:
            try:
                path = self._home.run / "state.json"
                write_json(path, self._state.document(), durable=False)
            except PlatformError as error:
                if not self._unwritten:
                    logger.warning("%s", error)
                self._unwritten = error.message
            else:
                self._unwritten = ""


def run(
    home: Home,
    ready: Callable[[Supervisor], None] | None = None,
    *,
    specs: Specs = configured_specs,
    pace: Pace | None = None,
) -> int:
    """Be the supervisor of a home in this process; return its exit code."""
    home.create()
    if lock.take(home.run / "supervisor.lock") is None:
        logger.info("Another supervisor keeps this home.")
        return ALREADY_RUNS
    own = Identity.of(os.getpid())
    write_json(home.run / "supervisor.pid", asdict(own) if own else {"pid": os.getpid()})
    supervisor = Supervisor(home, specs, pace)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        supervisor.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if ready:
        ready(supervisor)
    supervisor.run()
    (home.run / "supervisor.pid").unlink(missing_ok=True)
    return 0


def main() -> int:
    """Run detached: say everything in the log, which is standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return run(Home.locate())
    except MlopsError as error:
        _say_last(str(error))
        return 1
    except OSError as error:
        _say_last(f"The platform cannot run: {error}")
        return 1


def _say_last(words: str) -> None:
    """Leave the last line of the log to whoever started us: it is read from there and shown."""
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main())
