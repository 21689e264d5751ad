"""Turns at a model server: who waits for room is let in one by one, in the order of asking."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

PER_REPLICA = 192
"""Requests that one model server is given at once; it queues 256 itself, and refuses more."""
_LEAST_S = 0.001

Turn = asyncio.Future["Turns | None"]
"""Done when it may be somebody's turn; what is in it let them in, and holds a place for them."""


class Turns:
    """Who waits for one model server. It is looked at when something changed, never by the clock.

    Who is let in has a place that nobody else is given, until it has run: it takes the place in
    that same step, or the next one is let in.
    """

    def __init__(self, room: Callable[[], int], pause_s: Callable[[], float]) -> None:
        """Begin with nobody.

        Args:
            room: How many requests more the server may be given now.
            pause_s: So long it is left alone yet; nobody is let in meanwhile.
        """
        self._room = room
        self._pause_s = pause_s
        self._waiting: OrderedDict[Turn, None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self.promised = 0
        """Places of those who were let in and did not run yet."""

    def let_in(self) -> None:
        """Let in as many as there is room for; called whenever there may be more of it."""
        if not self._waiting:
            return
        pause_s = self._pause_s()
        if pause_s > 0:
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(max(pause_s, _LEAST_S), self._rested)
            return
        left = self._room() - self.promised
        while left > 0 and self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(self)
                self.promised += 1
                left -= 1

    def _rested(self) -> None:
        self._timer = None
        self.let_in()

    def _join(self, turn: Turn) -> None:
        self._waiting[turn] = None
        self.let_in()

    def _leave(self, turn: Turn) -> None:
        self._waiting.pop(turn, None)
        if turn.done() and not turn.cancelled() and turn.result() is self:
            self.promised -= 1
            asyncio.get_running_loop().call_soon(self.let_in)


@contextmanager
def waiting(turn: Turn, places: Iterable[Turns]) -> Iterator[None]:
    """Wait at several servers at once: the first with room lets in."""
    joined = tuple(places)
    for one in joined:
        one._join(turn)  # noqa: SLF001 - of this module
    try:
        yield
    finally:
        for one in joined:
            one._leave(turn)  # noqa: SLF001
