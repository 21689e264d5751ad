"""Latencies of the last minute in a fixed room: a percentile is right to some per cent."""

import math
from array import array

_LEAST_MS = 0.05
_RATIO = 1.06
_LOG = math.log(_RATIO)
BUCKETS = 260
"""The last one begins at about three minutes."""
SLOTS = 60
"""Of a second each."""


def _bucket(ms: float) -> int:
    if ms <= _LEAST_MS:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log(ms / _LEAST_MS) / _LOG))


def _middle(bucket: int) -> float:
    return _LEAST_MS * _RATIO ** (bucket - 0.5) if bucket else _LEAST_MS


class Rolling:
    """Latencies and outcomes of the last ``SLOTS`` seconds."""

    def __init__(self) -> None:
        self._slots = [array("L", bytes(array("L").itemsize * BUCKETS)) for _ in range(SLOTS)]
        self._outcomes = [[0, 0, 0] for _ in range(SLOTS)]
        self._sum = array("L", bytes(array("L").itemsize * BUCKETS))
        self._second = 0
        self.requests = self.errors = self.refused = 0

    def add(
        self, now_s: float, ms: float | None, *, error: bool = False, refused: bool = False
    ) -> None:
        """Count a request; ``ms`` None: it has no latency worth counting."""
        self._turn(int(now_s))
        slot = self._second % SLOTS
        outcome = self._outcomes[slot]
        outcome[0] += 1
        outcome[1] += error
        outcome[2] += refused
        self.requests += 1
        self.errors += error
        self.refused += refused
        if ms is not None:
            bucket = _bucket(ms)
            self._slots[slot][bucket] += 1
            self._sum[bucket] += 1

    def _turn(self, second: int) -> None:
        """Forget what is older than the window."""
        behind = min(second - self._second, SLOTS)
        for step in range(max(0, behind)):
            slot = (second - step) % SLOTS
            for bucket, number in enumerate(self._slots[slot]):
                if number:
                    self._sum[bucket] -= number
                    self._slots[slot][bucket] = 0
            outcome = self._outcomes[slot]
            self.requests -= outcome[0]
            self.errors -= outcome[1]
            self.refused -= outcome[2]
            outcome[:] = 0, 0, 0
        self._second = max(second, self._second)

    def percentiles(self, now_s: float, *shares: float) -> tuple[float | None, ...]:
        """Return latencies below which these shares of the window's requests were."""
        self._turn(int(now_s))
        total = sum(self._sum)
        if not total:
            return tuple(None for _ in shares)
        wanted = sorted(
            (max(1, math.ceil(share * total)), place) for place, share in enumerate(shares)
        )
        found: list[float | None] = [None] * len(shares)
        seen, at = 0, 0
        for bucket, number in enumerate(self._sum):
            seen += number
            while at < len(wanted) and wanted[at][0] <= seen:
                found[wanted[at][1]] = _middle(bucket)
                at += 1
        return tuple(found)
