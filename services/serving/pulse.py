"""Whether model servers still answer, and what they say of their memory: asked beside the loop."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from services.errors import PlatformError
from services.serving import asking
from services.serving.replicas import ReplicaSpec

ASKED_S = 5.0
TIMEOUT_S = 4.0
SILENT = 3
"""So many questions without an answer: it hangs, and is started anew."""

Ask = Callable[[str], dict[str, Any]]


def _ask(address: str) -> dict[str, Any]:
    return asking.stats(address, timeout_s=TIMEOUT_S)


@dataclass(slots=True)
class _Beat:
    asked_at: float = 0.0
    under_way: Future[dict[str, Any]] | None = None
    silent: int = 0
    said: dict[str, Any] = field(default_factory=dict)


class Pulse:
    """Asks each model server now and then. Used from one thread."""

    def __init__(self, pool: Executor, ask: Ask = _ask) -> None:
        self._pool = pool
        self._ask = ask
        self._beats: dict[str, _Beat] = {}

    def turn(self, specs: Iterable[ReplicaSpec]) -> list[ReplicaSpec]:
        """Ask those whose turn it is; return those that hang."""
        now = time.monotonic()
        there = {one.id: one for one in specs}
        for gone in self._beats.keys() - there.keys():
            del self._beats[gone]
        for name, spec in there.items():
            self._one(self._beats.setdefault(name, _Beat(now)), spec, now)
        return [there[name] for name, beat in self._beats.items() if beat.silent >= SILENT]

    def _one(self, beat: _Beat, spec: ReplicaSpec, now: float) -> None:
        if beat.under_way is not None:
            if beat.under_way.done():
                self._hear(beat, beat.under_way)
                beat.under_way = None
            return
        if now - beat.asked_at >= ASKED_S:
            beat.asked_at = now
            beat.under_way = self._pool.submit(self._ask, spec.address)

    @staticmethod
    def _hear(beat: _Beat, answered: Future[dict[str, Any]]) -> None:
        try:
            beat.said, beat.silent = answered.result(), 0
        except PlatformError:
            beat.silent += 1

    def said(self, replica: str) -> Mapping[str, Any]:
        """Return what a model server said last of itself; empty: nothing yet."""
        beat = self._beats.get(replica)
        return beat.said if beat else {}

    def beside(self, replica: str) -> tuple[int, int]:
        """Return what Metal holds of a model server beside its resident memory, now and at most.

        Off a Mac that is nothing: MLX computes in the process's own memory.
        """
        said = self.said(replica)
        if sys.platform != "darwin":
            return 0, 0
        now = _count(said.get("mlx_active_bytes")) + _count(said.get("mlx_cache_bytes"))
        return now, max(now, _count(said.get("mlx_peak_bytes")))

    def peak_bytes(self, replica: str) -> int | None:
        """Return the most memory that a model server says it had; None: it did not say."""
        peak = _count(self.said(replica).get("peak_rss_bytes"))
        return peak + self.beside(replica)[1] if peak else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
