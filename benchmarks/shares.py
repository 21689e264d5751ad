"""A share that was counted, and how sure it is."""

from dataclasses import dataclass
from math import sqrt

_Z = 1.6449
"""Of one side at 95 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's limits (1927); each by itself holds in 95 of 100 cases."""

    found: int
    of: int

    @property
    def value(self) -> float:
        """Return the share itself, from 0 to 1."""
        return self.found / self.of if self.of else 0.0

    @property
    def least(self) -> float:
        """Return the lower limit."""
        return self._limit(-1.0)

    @property
    def most(self) -> float:
        """Return the upper limit."""
        return self._limit(1.0)

    def _limit(self, side: float) -> float:
        if not self.of:
            return 0.0 if side < 0 else 1.0
        square = _Z * _Z / self.of
        spread = sqrt(square * (self.value * (1 - self.value) + square / 4))
        return min(1.0, max(0.0, (self.value + square / 2 + side * spread) / (1 + square)))

    def __add__(self, other: "Share") -> "Share":
        """Return both counted together."""
        return Share(self.found + other.found, self.of + other.of)

    def __str__(self) -> str:
        """Return it with its limits."""
        return f"{self.found}/{self.of} = {self.value:.2%} ({self.least:.2%} to {self.most:.2%})"
