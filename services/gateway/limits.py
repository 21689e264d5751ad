"""How much each key may ask: a rate with a second's burst, and so many requests at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.gateway.problems import Problem
from services.serving.store import ApiKey

_KEPT = 10_000
MOST_AT_ONCE = 4096
"""Requests under way over all keys."""
MOST_BYTES = 512 << 20
"""Of bodies that are held at once."""


@dataclass(slots=True)
class _Use:
    tokens: float
    at: float
    running: int = 0


class Limits:
    """The use of all keys; a rate or a number at once of zero or less is not limited."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._uses: dict[str, _Use] = {}
        self.running = 0
        self.held = 0
        """Bytes of bodies."""

    @contextmanager
    def admitted(self, key: ApiKey) -> Iterator[None]:
        """Let a request of a key in.

        Raises:
            Problem: It asks too fast, or too much at once.
        """
        if self.running >= MOST_AT_ONCE:
            raise Problem("away", f"{MOST_AT_ONCE} requests are under way.", retry_after_s=1)
        now = self._clock()
        use = self._use(key, now)
        if 0 < key.concurrency <= use.running:
            raise Problem(
                "rate", f"This key has {key.concurrency} requests under way, its limit.",
                retry_after_s=1,
            )  # fmt: skip
        if key.rate_per_s > 0:
            burst = max(1.0, key.rate_per_s)
            use.tokens = min(burst, use.tokens + (now - use.at) * key.rate_per_s)
            use.at = now
            if use.tokens < 1:
                raise Problem(
                    "rate", f"This key may ask {key.rate_per_s:g} times a second.",
                    retry_after_s=(1 - use.tokens) / key.rate_per_s,
                )  # fmt: skip
            use.tokens -= 1
        use.running += 1
        self.running += 1
        try:
            yield
        finally:
            use.running -= 1
            self.running -= 1

    def _use(self, key: ApiKey, now: float) -> _Use:
        use = self._uses.get(key.id)
        if use is None:
            if len(self._uses) >= _KEPT:
                self._uses = {name: one for name, one in self._uses.items() if one.running}
            use = self._uses[key.id] = _Use(max(1.0, key.rate_per_s), now)
        return use

    def hold(self, size: int) -> None:
        """Count bytes of a body as held, until ``release``.

        Raises:
            Problem: Too much is held already.
        """
        if self.held + size > MOST_BYTES:
            raise Problem(
                "away", "The gateway holds as many bytes of requests as it may.",
                retry_after_s=1, close=True,
            )  # fmt: skip
        self.held += size

    def release(self, size: int) -> None:
        """Count them no longer."""
        self.held -= size
