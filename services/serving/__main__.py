"""The serving engine: ``python -m services.serving``, started by the supervisor."""

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from types import FrameType

import psutil

from services.actions.journal import Journal
from services.engines.silicon.machine import own_id
from services.errors import MlopsError, PlatformError
from services.home import Home
from services.mirror.queries import Mirror
from services.projects import discovery
from services.resources.capacity import with_here
from services.resources.leases import LeaseBook
from services.resources.models import Capacity
from services.resources.offers import Offers
from services.serving import paths
from services.serving.cluster import Cluster, Options
from services.serving.keeping import Keeping
from services.serving.lease_keeping import LeaseKeeping
from services.serving.preparing import Preparing
from services.serving.reconciler import Reconciler, Watches
from services.settings import Settings
from services.telemetry.fleet import Fleet

logger = logging.getLogger("services.serving")

_TURN_S = 0.25
_BEAT_S = 1.0
_HEAT_S = 5.0
_COLD_S = 30.0
"""A thermal level older than that tells nothing of now."""
_CAPACITY_S = 2.0
_PRIORITY_S = 60.0


@dataclass(slots=True)
class Machine:
    """What this machine offers and how hot it is, looked at now and then."""

    home: Home
    host: str
    fleet: Fleet
    _capacity: Capacity | None = None
    _capacity_at: float = 0.0
    _level: int | None = None
    _level_at: float = 0.0
    _offers: Offers = field(init=False)

    def __post_init__(self) -> None:
        """Find what administrators said of it."""
        self._offers = Offers(self.home.machines)

    def capacity(self) -> Capacity:
        """Return what it offers.

        Raises:
            PlatformError: What an administrator said of it cannot be read.
        """
        if self._capacity is None or time.monotonic() - self._capacity_at > _CAPACITY_S:
            (self._capacity,) = with_here((), self.host, self._offers.rules())
            self._capacity_at = time.monotonic()
        return self._capacity

    def thermal_level(self) -> int | None:
        """Return its thermal level, None where it cannot be read or is not fresh."""
        if time.monotonic() - self._level_at > _HEAT_S:
            self._level_at = time.monotonic()
            self._level = self._read_level()
        return self._level

    def _read_level(self) -> int | None:
        for state in self.fleet.states():
            if state.machine.host == self.host:
                if state.last_at is None or time.time() - state.last_at.timestamp() > _COLD_S:
                    return None
                reading = state.reading("thermal_level")
                return None if reading is None or reading.value is None else int(reading.value)
        return None


class Priorities:
    """The priority of each project, as its contract says."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._found: dict[str, int] = {}
        self._at = 0.0

    def __call__(self, project: str) -> int:
        """Return a project's priority, 1 to 10."""
        if time.monotonic() - self._at > _PRIORITY_S:
            self._at = time.monotonic()
            for one in discovery.found(self._settings.projects_root, self._journal.project_paths()):
                if one.contract is not None:
                    self._found[one.contract.id] = one.contract.priority
        return self._found.get(project, 5)


def build(home: Home, settings: Settings) -> Reconciler:
    """Open everything.

    Raises:
        PlatformError: The journal or a folder cannot be used.
    """
    journal = Journal.open(settings)
    host = own_id(home.run / "host-id")
    machine = Machine(home, host, Fleet.here())
    leases = LeaseKeeping(
        LeaseBook(home.run / "leases.json"),
        machine.capacity,
        most_bytes=settings.serving_memory_bytes,
    )
    # Ray's resource only has to be large enough: who may have how much, the ledger says. It can be
    # raised while Ray's cannot, so Ray is told what the machine has.
    options = Options(
        memory_bytes=psutil.virtual_memory().total,
        address=settings.serving_ray_address,
        token=settings.serving_ray_token,
    )
    mirror = Mirror.open(settings)
    keeping = Keeping(home, journal, mirror.model, settings.serving_bundle_days)
    return Reconciler(
        home,
        journal,
        Cluster(home, options),
        leases,
        Preparing(home, journal, settings.projects_root),
        host=host,
        watches=Watches(machine.thermal_level, Priorities(settings, journal), keeping.turn),
    )


def beat(home: Home, detail: str) -> None:
    """Say that the engine lives."""
    try:
        said = {"pid": os.getpid(), "at": time.time(), "detail": detail}
        paths.publish(home.run / "serving.json", said)
    except OSError as error:
        logger.warning("The heartbeat could not be written: %s.", error.strerror or error)


def run(home: Home, reconciler: Reconciler, ended: threading.Event) -> None:
    """Turn until told to stop."""
    beaten = 0.0
    trouble = ""
    while not ended.is_set():
        began = time.monotonic()
        try:
            reconciler.turn()
            now = reconciler.trouble
        except (MlopsError, OSError) as error:
            now = str(error)
        if now and now != trouble:
            logger.warning("%s", now)
        trouble = now
        if time.monotonic() - beaten > _BEAT_S:
            beaten = time.monotonic()
            beat(home, trouble or reconciler.said())
        ended.wait(max(0.02, _TURN_S - (time.monotonic() - began)))


def main() -> int:
    """Run until told to stop; 1 when there was a bug, so that the supervisor starts it afresh."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    home, settings = Home.locate(), Settings()
    home.create()
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        reconciler = build(home, settings)
    except (MlopsError, OSError) as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log
        return 1
    run(home, reconciler, ended)
    _stop(home, reconciler)
    return 0


def _stop(home: Home, reconciler: Reconciler) -> None:
    try:
        reconciler.stop()
    except (PlatformError, OSError) as error:
        logger.warning("Not all could be given back: %s", error)
    (home.run / "serving.json").unlink(missing_ok=True)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # what still prepares in a thread holds up nothing
