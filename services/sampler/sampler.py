"""Takes a sample every few seconds and hands it on."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.engines.silicon.chain import Host
from services.engines.silicon.uses import Tag, Uses
from services.errors import MlopsError
from services.telemetry.models import Writer

if TYPE_CHECKING:
    from services.engines.silicon.models import ProviderState, Sample

logger = logging.getLogger(__name__)

_INTRODUCE_S = 60.0


class Sampler:
    """One turn takes one sample; what goes wrong is kept as a sentence, never raised."""

    def __init__(
        self,
        host: Host,
        writer: Writer,
        uses: Uses,
        tags: Callable[[], Iterable[Tag]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._writer = writer
        self._uses = uses
        self._tags = tags
        self._now = now
        self._introduced: tuple[ProviderState, ...] | None = None
        self._introduced_at = 0.0
        self.newest: Sample | None = None
        self.trouble = ""
        """Why the last sample was not kept; empty when it was."""

    def turn(self) -> None:
        """Take a sample and write it."""
        sample = self._host.sample(self._now())
        sample = dataclasses.replace(sample, processes=self._uses.take(self._tags()))
        self.newest = sample
        try:
            self._introduce()
            self._writer.append(sample)
        except MlopsError as error:
            if self.trouble != error.message:
                logger.warning("%s", error)
            self.trouble = error.message
        else:
            if self.trouble:
                logger.info("Samples are kept again.")
            self.trouble = ""

    def detail(self) -> str:
        """Return how it goes, in a sentence."""
        failing = [f"{p.name}: {p.reason}" for p in self._host.providers() if p.usable and p.reason]
        troubles = [self.trouble] if self.trouble else []
        return "; ".join([*troubles, *failing]) or "all well"

    def run(self, interval_s: float, ended: threading.Event, beat: Callable[[], None]) -> None:
        """Take a sample each interval until ``ended``; a late one does not shift those after it."""
        due = time.monotonic()
        while not ended.is_set():
            self.turn()
            beat()
            # After a sleep of the machine the missed ones are not made up for.
            due = max(due + interval_s, time.monotonic())
            ended.wait(due - time.monotonic())

    def _introduce(self) -> None:
        providers = self._host.providers()
        if providers == self._introduced:
            return
        if self._introduced is not None and time.monotonic() - self._introduced_at < _INTRODUCE_S:
            return  # what each gives grows with the first samples
        self._writer.introduce(self._host.machine, providers)
        self._introduced, self._introduced_at = providers, time.monotonic()
