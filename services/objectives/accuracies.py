"""How right answers were, counted beside the loop that asks: many labels take seconds."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.errors import MlopsError
from services.home import Home
from services.objectives.lasting import PARTS

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy
    from services.monitoring.metrics import Metric

EVERY_S = 300.0
_Asked = tuple[str, str, int, int | None, "Metric | None"]
Read = Callable[[str, str, float, float, int | None, "Metric | None"], "Accuracy"]


@dataclass(slots=True)
class Accuracies:
    """Counts each model again every five minutes, one at a time; meanwhile it says the last."""

    home: Home
    every_s: float = EVERY_S
    clock: Callable[[], float] = time.monotonic
    read: Read | None = None
    _known: dict[_Asked, tuple[float, "Future[Accuracy]"]] = field(default_factory=dict)
    _last: dict[_Asked, "Accuracy"] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _beside: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "counting labels")
    )

    def __call__(
        self, project: str, model: str, since: float, until: float, version: int | None = None,
        metric: "Metric | None" = None, /,
    ) -> "Accuracy | None":  # fmt: skip
        """Return the last count, None until the first is done.

        Raises:
            MlopsError: The last try to count failed; the next one comes in its time.
        """
        key = project, model, round(until - since), version, metric
        with self._guard:
            now = self.clock()
            begun, future = self._known.get(key, (None, None))
            old = begun is None or now - begun >= self.every_s
            if old and (future is None or future.done()):
                read = self.read or self._read
                future = self._beside.submit(read, project, model, since, until, version, metric)
                self._known[key] = now, future
        assert future is not None  # noqa: S101 - there was one, or it was made
        if not future.done():
            return self._last.get(key)
        failure = future.exception()
        if isinstance(failure, MlopsError):
            # Each time an error of its own: one object would grow with every traceback.
            raise MlopsError(failure.message, failure.hint) from failure
        self._last[key] = future.result()
        return self._last[key]

    def close(self) -> None:
        """Begin nothing new."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _read(
        self, project: str, model: str, since: float, until: float, version: int | None,
        metric: "Metric | None",
    ) -> "Accuracy":  # fmt: skip
        from services.monitoring import accuracy

        step_s = (until - since) / PARTS
        return accuracy.read(
            self.home, project, model, since, until, step_s, version, metric=metric
        )
