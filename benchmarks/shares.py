"""A share that was counted, and how sure it is."""

from dataclasses import dataclass

_ODDS = 0.05
"""So often a limit of one side does not hold, at most."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with exact limits (Clopper and Pearson 1934).

    Each limit by itself holds in at least 95 of 100 cases, however few were counted.
    """

    found: int
    of: int

    @property
    def value(self) -> float:
        """Return the share itself, from 0 to 1."""
        return self.found / self.of if self.of else 0.0

    @property
    def least(self) -> float:
        """Return the lower limit: from so few on, as many as were found are not yet odd."""
        if self.found == 0:
            return 0.0
        return _quantile(_ODDS, self.found, self.of - self.found + 1)

    @property
    def most(self) -> float:
        """Return the upper limit."""
        if self.found == self.of:
            return 1.0
        return _quantile(1.0 - _ODDS, self.found + 1, self.of - self.found)

    def __add__(self, other: "Share") -> "Share":
        """Return both counted together."""
        return Share(self.found + other.found, self.of + other.of)

    def __str__(self) -> str:
        """Return it with its limits."""
        return f"{self.found}/{self.of} = {self.value:.2%} ({self.least:.2%} to {self.most:.2%})"


def _quantile(odds: float, of: int, against: int) -> float:
    from scipy import stats

    return float(stats.beta.ppf(odds, of, against))
