"""How much each key may ask: a rate with a second's burst, requests at once, bytes of bodies."""

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
        self._held: dict[str, int] = {}
        """The same by key, of those that hold any."""

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

    def hold(self, key_id: str, size: int) -> None:
        """Count bytes of a key's bodies as held, until ``release``.

        A key may hold as many as are left free, so that something always is: half of
        ``MOST_BYTES`` when it is alone, an n+1th when n keys take what they can. (Dynamic
        thresholds, as switches share buffers: Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998.)

        Raises:
            Problem: It would hold more than that.
        """
        whole, own = self.held + size, self._held.get(key_id, 0) + size
        if own > MOST_BYTES - whole:
            raise Problem(
                "rate" if 2 * own > whole else "away",
                f"Bodies of {self.held >> 20} MiB are held, {own - size >> 20} MiB of them of this "
                "key, which may hold as much as is left free. Send less at once, or ask again.",
                retry_after_s=1, close=True,
            )  # fmt: skip
        self.held = whole
        self._held[key_id] = own

    def release(self, key_id: str, size: int) -> None:
        """Count them no longer."""
        if not size:
            return
        self.held -= size
        self._held[key_id] -= size
        if not self._held[key_id]:
            del self._held[key_id]
