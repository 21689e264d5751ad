"""Shadows: a version that is asked beside the live one; its answers are logged and go nowhere."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from services.errors import EngineError
from services.gateway.answers import decoded
from services.gateway.contract import Prepared
from services.gateway.counts import Counts
from services.gateway.problems import Problem
from services.gateway.recording import Recorder
from services.serving.frames import Answer
from services.serving.routes import Route, VersionRoute
from services.serving.wire import Pool

logger = logging.getLogger(__name__)

AT_ONCE = 64
"""More shadow requests than that are not asked: they must not slow the live version."""
TOLERANCE = 1e-3


class Shadows:
    """Asks shadows after the live version's answer went out."""

    def __init__(self, pool: Pool, counts: Counts, recorder: Recorder) -> None:
        self._pool = pool
        self._counts = counts
        self._recorder = recorder
        self._running: set[asyncio.Task[None]] = set()

    def start(
        self, request_id: str, route: Route, beside: VersionRoute, prepared: Prepared,
        outputs: Mapping[str, Any], *, api: str, key_id: str,
    ) -> None:  # fmt: skip
        """Begin to ask one, unless too many are under way."""
        if len(self._running) >= AT_ONCE:
            return
        asked = self._ask(request_id, route, beside, prepared, outputs, api, key_id)
        task = asyncio.get_running_loop().create_task(asked)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _ask(
        self, request_id: str, route: Route, beside: VersionRoute, prepared: Prepared,
        outputs: Mapping[str, Any], api: str, key_id: str,
    ) -> None:  # fmt: skip
        count = self._counts.of(route.name, beside.version, route.project)
        began = time.perf_counter()
        status, error, answer = 200, None, Answer()
        client = self._pool.choose(beside.replicas)
        try:
            if client is None:
                return
            with count.running():
                async with asyncio.timeout(route.deadline_ms / 1000):
                    answer = await client.ask(
                        prepared.inputs, prepared.parameters, route.deadline_ms
                    )
        except (EngineError, TimeoutError) as failure:
            status, error = 500, str(failure)[:500] or "The deadline passed."
        ms = (time.perf_counter() - began) * 1000
        count.done(status, ms, prepared.rows)
        try:
            found = decoded(answer.outputs) if error is None else None
            if found is not None:
                count.compared += 1
                count.differing += not equal(outputs, found)
            # With what was asked: its checks compare inputs as those of the live version do.
            await self._recorder.predicted(
                request_id, route, beside, api=api, key_id=key_id, status=status, latency_ms=ms,
                rows=prepared.rows, inputs=prepared.columns, outputs=found,
                model_ms=answer.model_ms, queue_ms=answer.queue_ms, share_ms=answer.share_ms,
                shadow=True, error=error,
            )  # fmt: skip
        except Problem as problem:
            logger.warning("A shadow's answer was not kept: %s", problem.detail)


def equal(live: Mapping[str, Any], beside: Mapping[str, Any]) -> bool:
    """Return whether two answers say the same, numbers within a tolerance."""
    return live.keys() == beside.keys() and all(
        _same(value, beside[name]) for name, value in live.items()
    )


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return type(one) is type(other) and bool(one == other)
    if one.shape != other.shape:
        return False
    if one.dtype.kind == "f" or other.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool((one == other).all())
