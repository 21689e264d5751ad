"""Every answered prediction, in the prediction log before its answer is given."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from services.errors import MlopsError
from services.gateway.problems import Problem
from services.predictions.models import Feedback, Record
from services.predictions.privacy import takes_long
from services.serving.models import Privacy
from services.serving.routes import Route, VersionRoute


class PredictionSink(Protocol):
    """Where predictions are kept: the prediction log, or a list of a test."""

    def append(self, record: Record, *, privacy: Privacy = ..., sample: float = ...) -> None:
        """Keep a prediction durably."""

    def append_feedback(self, feedback: Feedback, *, privacy: Privacy = ...) -> None:
        """Keep what was true."""

    def close(self) -> None:
        """Flush."""


class HostState(Protocol):
    """How the machine is, as far as that is known."""

    host: str

    def now(self) -> Mapping[str, Any] | None:
        """Return what was last seen."""

    def energy_j(self, busy_s: float | None) -> float | None:
        """Return the energy that a busy model took, None when it is not known."""


class Unknown:
    """A machine of which nothing is known."""

    host = ""

    def now(self) -> None:
        """Return nothing."""

    def energy_j(self, busy_s: float | None) -> None:
        """Return nothing."""
        del busy_s


@dataclass(slots=True)
class Recorder:
    """Writes predictions down."""

    sink: PredictionSink
    state: HostState = field(default_factory=Unknown)
    _beside: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "hashing predictions")
    )
    """One thread: it takes the interpreter for five milliseconds at most before others go on, and
    more of them would take turns with each other first."""

    async def predicted(
        self, request_id: str, route: Route, loaded: VersionRoute | None, *, api: str, key_id: str,
        status: int, latency_ms: float, rows: int, inputs: Mapping[str, Any] | bytes | None,
        outputs: Mapping[str, Any] | None, model_ms: float | None = None,
        queue_ms: float | None = None, share_ms: float | None = None, shadow: bool = False,
        error: str | None = None,
    ) -> None:  # fmt: skip
        """Keep a prediction; what takes long to hash is hashed beside the answering.

        ``loaded`` None: no version was there to be asked; the live one owes the answer.

        Raises:
            Problem: It cannot be kept, so it must not be answered.
        """
        busy_s = None if share_ms is None else share_ms / 1000
        record = Record(
            id=request_id, at=time.time(), project=route.project, model=route.model,
            version=loaded.version if loaded else route.primary, api=api, status=status,
            latency_ms=latency_ms, rows=rows, key_id=key_id, model_ms=model_ms, queue_ms=queue_ms,
            backend=loaded.backend if loaded else "",
            host=self.state.host, host_state=self.state.now(), energy_j=self.state.energy_j(busy_s),
            inputs=inputs, outputs=outputs, shadow=shadow, error=error,
        )  # fmt: skip
        try:
            if takes_long(record, route.privacy):
                append = partial(
                    self.sink.append, record, privacy=route.privacy, sample=route.sample
                )
                await asyncio.get_running_loop().run_in_executor(self._beside, append)
            else:
                self.sink.append(record, privacy=route.privacy, sample=route.sample)
        except MlopsError as failure:
            raise _not_kept(failure) from failure

    def told(self, feedback: Feedback, privacy: Privacy) -> None:
        """Keep what was true of a prediction.

        Raises:
            Problem: It cannot be kept.
        """
        try:
            self.sink.append_feedback(feedback, privacy=privacy)
        except MlopsError as failure:
            raise _not_kept(failure) from failure


def _not_kept(failure: MlopsError) -> Problem:
    return Problem("away", f"The prediction log takes nothing now. {failure.hint}".strip(),
                   retry_after_s=10)  # fmt: skip
