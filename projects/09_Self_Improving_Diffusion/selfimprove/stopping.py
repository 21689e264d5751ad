"""When the loop ends."""

import math


class StoppingRule:
    """Stop after `patience` rounds in a row without an improvement of more than `least`.

    Lower values are better. A value that is not a number never improves anything.
    """

    def __init__(self, *, patience: int, least: float) -> None:
        if patience < 1 or least < 0:
            raise ValueError("patience must be at least 1 and the least improvement not negative.")
        self._patience = patience
        self._least = least
        self._reference = math.inf
        self._idle = 0
        self._rounds = 0
        self.best = math.inf
        self.best_round: int | None = None

    def note(self, value: float) -> bool:
        """Take note of a round's value; return whether it is the best so far."""
        improved = value < self.best
        if improved:
            self.best, self.best_round = value, self._rounds
        if value < self._reference - self._least:
            self._reference, self._idle = value, 0
        else:
            self._idle += 1
        self._rounds += 1
        return improved

    @property
    def stopped(self) -> bool:
        """Return whether the loop should end."""
        return self._idle >= self._patience
