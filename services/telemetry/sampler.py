"""The sampler: every two seconds what this machine says goes to the store, and others' with it."""

import logging
import threading

from services.engines.silicon.chain import Host
from services.errors import MlopsError
from services.home import Home
from services.telemetry import tokens
from services.telemetry.exposition import SILENT_S
from services.telemetry.folder import Retention
from services.telemetry.heartbeat import Heartbeat
from services.telemetry.intake import Intake
from services.telemetry.latest import Latest
from services.telemetry.sampling import INTERVAL_S, Sampling, Schedule
from services.telemetry.server import Address, Server
from services.telemetry.store import Store
from services.telemetry.tokens import Tokens

logger = logging.getLogger(__name__)

_BEAT_S = 5.0


class Sampler:
    """Takes samples, keeps them, and answers by HTTP, until it is told to end."""

    def __init__(
        self,
        home: Home,
        address: Address,
        *,
        interval_s: float = INTERVAL_S,
        keep: Retention | None = None,
        host: Host | None = None,
    ) -> None:
        """Look at the machine; nothing is sampled before ``run``.

        Args:
            home: Where everything is.
            address: Where to listen.
            interval_s: How often a sample is taken.
            keep: How long which detail is kept.
            host: The machine; the one this runs on when left out.
        """
        self._host = host or Host.here(home.root)
        self._sampling = Sampling(self._host, home.run, interval_s)
        self._schedule = Schedule(interval_s)
        self._interval_s = interval_s
        self._store = Store(home.telemetry, keep=keep)
        self._latest = Latest()
        own = Tokens(home.secrets / tokens.FOLDER)
        self._intake = Intake(self._store, self._latest, own, self._host.machine.host)
        self._server = Server(address, self._latest, self._intake, self._unwell)
        self._heart = Heartbeat(home.run / "telemetry.json")
        self._introduced = False
        self._trouble: dict[str, str] = {}

    def run(self, ended: threading.Event) -> None:
        """Sample until the event is set, then close everything."""
        self._recall()
        self._server.start()
        try:
            while not ended.wait(min(self._schedule.wait_s(), _BEAT_S)):
                if self._schedule.wait_s() == 0.0:
                    self._schedule.advance()
                    self.turn()
                self._latest.keep(self._store.knows, SILENT_S)
                self._heart.beat(self.detail())
        finally:
            self._server.stop()
            self._sampling.close()
            self._store.close()
            self._heart.end()

    def _recall(self) -> None:
        """Tell of the machines that reported before this process began: that they are not up yet.

        Without it a machine that is lost while the sampler restarts would vanish from ``/metrics``,
        and no alert on ``mlops_host_up`` would ever see it.
        """
        for machine, providers in self._store.known():
            self._latest.introduce(machine, providers)

    def turn(self) -> None:
        """Take one sample and keep it; whatever goes wrong is said, and tried again."""
        try:
            sample = self._sampling.take()
        except Exception as error:
            # A provider's bug must not take the other providers' figures away for good.
            if "sampling" not in self._trouble:
                logger.exception("A sample could not be taken.")
            why = f"{type(error).__name__}: {error}"
            self._trouble["sampling"] = f"No sample could be taken ({why}); it is tried again."
            return
        self._worked("sampling")
        try:
            news = self._latest.introduce(self._host.machine, self._host.providers())
            if news or not self._introduced:
                self._introduced = False
                self._store.introduce(self._host.machine, self._host.providers())
                self._introduced = True
            if sample is not None:
                self._latest.heard(sample)
                self._store.append(sample)
        except MlopsError as error:
            if "store" not in self._trouble:
                logger.warning("%s", error)
            self._trouble["store"] = error.message
        else:
            self._worked("store")

    def detail(self) -> str:
        """Return what keeps figures away, or that all is well."""
        said = (
            *self._trouble.values(),
            *self._sampling.troubles(),
            self._server.problem,
            self._intake.problem,
        )
        return " ".join(dict.fromkeys(filter(None, said))) or "all well"

    def _unwell(self) -> str:
        """Return why nobody should rely on the figures; empty when there is nothing."""
        return " ".join(self._trouble.values())

    def _worked(self, what: str) -> None:
        if self._trouble.pop(what, None):
            logger.info("The %s works again.", what)
