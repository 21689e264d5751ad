"""The loop of OpenLineage: what happened is sent where the settings say, and again until taken.

A receiver that is away costs nothing but an ask now and then; what it missed comes when it is back.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.actions.journal import Journal
from services.errors import MlopsError
from services.home import Home
from services.lineage import posting
from services.lineage.posting import Post
from services.lineage.sending import send_new
from services.lineage.told.everything import stores
from services.lineage.told.points import Store
from services.mirror.queries import Mirror

INTERVAL_S = 15.0
_FIRST_PAUSE_S = 15.0
_LONGEST_PAUSE_S = 900.0


@dataclass(slots=True)
class LineageWatch:
    """Sends what is new."""

    home: Home
    stores: Sequence[Store]
    to: str
    post: Post
    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _not_before: float = 0.0
    _error: MlopsError | None = None

    def turn(self) -> None:
        """Send what is new, unless the receiver failed a moment ago.

        Raises:
            MlopsError: It did not take it; the same is said until it is tried again.
        """
        now = self.clock()
        if self._error is not None and now < self._not_before:
            raise self._error
        try:
            send_new(self.home, self.stores, self.to, self.post)
        except MlopsError as error:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
            self._failures += 1
            self._not_before, self._error = now + pause_s, error
            raise
        self._failures, self._error = 0, None


def watch(home: Home, mirror: Mirror, journal: Journal, to: str, *, private: bool) -> LineageWatch:
    """Return the loop's work; ``private``: whether the address may be one of a private network."""
    told = stores(home, mirror, journal)
    return LineageWatch(home, told, to, partial(posting.post, private=private))
