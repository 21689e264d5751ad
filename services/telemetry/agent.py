"""An agent: samples of this machine, sent to the telemetry of another one."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from services.engines.silicon.chain import Host
from services.errors import EngineError, EngineRefusedError
from services.telemetry import batches
from services.telemetry.batches import CLOCK_WRONG
from services.telemetry.collector import Collector
from services.telemetry.sampling import INTERVAL_S, Sampling, Schedule
from services.telemetry.spool import Part, Spool

logger = logging.getLogger(__name__)

_UNREADABLE = {400, 413, 415, 422}
"""What the other end says of a batch that it will never take; else no is about the token."""

_LONGEST_WAIT_S = 60.0


class Agent:
    """Samples in one thread, sends from another: a slow network costs no sample."""

    def __init__(
        self,
        host: Host,
        run_folder: Path,
        spool: Spool,
        collector: Collector,
        say: Callable[[str], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Begin.

        Args:
            host: This machine.
            run_folder: ``MLOPS_HOME/run``: whose the processes are.
            spool: Where samples wait.
            collector: Who takes them.
            say: Is told a sentence when something changed.
            interval_s: How often a sample is taken.
        """
        self._host = host
        self._providers = host.providers()
        self._sampling = Sampling(host, run_folder, interval_s)
        self._schedule = Schedule(interval_s)
        self._spool = spool
        self._collector = collector
        self._say = say
        self._interval_s = interval_s
        self._news = threading.Event()
        self._ended = threading.Event()
        self._sender = threading.Thread(target=self._send_on, name="sender", daemon=True)
        self._failures = 0
        self._clock_wrong = False
        self._said: dict[str, str] = {}

    def join(self) -> None:
        """Introduce this machine before anything is sampled.

        Raises:
            EngineRefusedError: The other end does not want it: its token, or its name.
        """
        try:
            self._collector.send(self._packed(()))
        except EngineError as error:
            if isinstance(error, EngineRefusedError) and not self._is_clock(error):
                raise
            kept = "Samples are kept here and sent when it is back."
            after = self._waits() if self._clock_wrong else kept
            self._tell("link", f"{error} {after}", str(error))
            self._failures = 1
        else:
            self._tell("link", self._fine())

    def run(self, ended: threading.Event) -> None:
        """Sample and send until the event is set; what is not sent then waits for the next run."""
        self._sender.start()
        try:
            while not ended.wait(self._schedule.wait_s()):
                self._schedule.advance()
                self._turn()
        finally:
            self._ended.set()
            self._news.set()
            self._sender.join(15.0)
            self._sampling.close()
            self._collector.close()

    def _turn(self) -> None:
        try:
            sample = self._sampling.take()
        except Exception as error:
            if "sampling" not in self._said:
                logger.exception("A sample could not be taken.")
            self._tell("sampling", f"No sample could be taken: {type(error).__name__}: {error}.")
            return
        self._providers = self._host.providers()  # here: the host is of this thread alone
        self._tell("sampling", " ".join(self._sampling.troubles()))
        # Stamped by a clock that is wrong, they would be told at the wrong time for good.
        if sample is not None and not self._clock_wrong:
            self._spool.add(batches.encode(sample))
            self._news.set()
        self._tell("spool", self._spool.problem)

    # Sending

    def _send_on(self) -> None:
        while not self._ended.is_set():
            if self._failures:
                self._ended.wait(min(_LONGEST_WAIT_S, self._interval_s * 2.0**self._failures))
            else:
                self._news.wait()
            self._news.clear()
            try:
                self._send_all()
            except EngineError as error:
                self._is_clock(error)
                self._failures = min(self._failures + 1, 16)
                self._tell("link", f"{error} {self._waits()}", str(error))

    def _waits(self) -> str:
        if self._clock_wrong:
            return "Until then no sample is kept: its time would be wrong."
        return f"{self._spool.waiting} samples wait here."

    def _is_clock(self, error: EngineError) -> bool:
        """Note whether it is the clock of this machine that the other end says no to."""
        status = error.status if isinstance(error, EngineRefusedError) else 0
        self._clock_wrong = status == CLOCK_WRONG or (self._clock_wrong and not status)
        return status == CLOCK_WRONG

    def _send_all(self) -> None:
        """Send the newest first, so that the machine is seen as it is, and then what waited.

        Raises:
            EngineError: The other end is away or says no.
        """
        sent = 0
        if self._clock_wrong:
            self._collector.send(self._packed(()))
            self._clock_wrong = False
        while not self._ended.is_set():
            newest, oldest = self._spool.newest(), self._spool.oldest()
            for part in filter(None, (newest, oldest)):
                self._send(part)
                sent += len(part.lines)
            self._failures = 0
            if oldest is None:
                break
        if self._said.get("link") != self._fine():
            self._tell("link", self._fine())
            if sent > 1:
                self._say(f"{sent} samples that had waited were sent.")

    def _send(self, part: Part) -> None:
        self._deliver(part.lines)
        self._spool.sent(part)

    def _deliver(self, lines: tuple[bytes, ...]) -> None:
        """Send samples; of those that the other end cannot read only these are put aside."""
        try:
            taken = self._collector.send(self._packed(lines))
        except EngineRefusedError as error:
            if error.status not in _UNREADABLE:
                raise
            if len(lines) == 1:
                self._spool.refuse(lines[0])
                self._tell("batch", f"{error} The sample was put aside in the spool.")
                return
            half = len(lines) // 2
            self._deliver(lines[:half])
            self._deliver(lines[half:])
        else:
            # The sentence names the sample's time: it would be another one with every sample.
            self._tell("batch", " ".join(taken.refused[:1]), "refused" if taken.refused else "")

    def _packed(self, lines: tuple[bytes, ...]) -> bytes:
        return batches.pack(self._host.machine, self._providers, lines, datetime.now(UTC))

    def _fine(self) -> str:
        every = f"every {self._interval_s:g} s"
        return f"{self._host.machine.host} reports to {self._collector.url} {every}."

    def _tell(self, what: str, sentence: str, key: str | None = None) -> None:
        """Say a sentence once; an empty one ends what was said, and is not said."""
        if self._said.get(what, "") == (key or sentence):
            return
        self._said[what] = key or sentence
        if sentence:
            self._say(f"{time.strftime('%H:%M:%S')}  {sentence}")
