"""Labels that fit nothing, counted beside the loop of alerts: many labels take seconds."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.alerting.models import Event
from services.alerting.rules import labels
from services.errors import MlopsError
from services.home import Home

if TYPE_CHECKING:
    from services.monitoring.labels_fit import Fit

EVERY_S = 300.0
Count = Callable[[float], "Fit"]


@dataclass(slots=True)
class LabelWatch:
    """Counts again every five minutes; meanwhile it says what came of the last count."""

    home: Home
    every_s: float = EVERY_S
    ticks: Callable[[], float] = time.monotonic
    count: Count | None = None
    """Given by tests; else that of the prediction log."""
    _began: float | None = None
    _future: "Future[Fit] | None" = None
    _last: "Fit | None" = None
    _beside: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "fitting labels")
    )

    def events(
        self, deployed: Collection[str], now: float, open_keys: frozenset[str]
    ) -> Sequence[Event]:
        """Return what is to be said of labels; nothing until the first count is done.

        Raises:
            MlopsError: The last try to count failed; the next one comes in its time.
        """
        if not deployed and not open_keys:
            return ()
        tick = self.ticks()
        old = self._began is None or tick - self._began >= self.every_s
        if old and (self._future is None or self._future.done()):
            self._began, self._future = tick, self._beside.submit(self._counter(), now)
        if self._future is not None and self._future.done():
            failure = self._future.exception()
            if isinstance(failure, MlopsError):
                # Each time an error of its own: one object would grow with every traceback.
                raise MlopsError(failure.message, failure.hint) from failure
            self._last = self._future.result()
        return () if self._last is None else labels.events(self._last, deployed, open_keys)

    def _counter(self) -> Count:
        if self.count is None:
            from services.monitoring.labels_fit import LabelFits

            self.count = LabelFits(self.home).counts
        return self.count
