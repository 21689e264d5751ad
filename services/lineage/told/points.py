"""How far a store was told, so that each thing in it leaves once, and once more when it changed."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from sqlalchemy import select

from services.lineage.openlineage import Event
from services.mirror import schema
from services.mirror.queries import Mirror

AT_ONCE = 100
"""Things; so that a slow receiver takes their events within ``posting.TIMEOUT_S``."""
DAY_MS = 86_400_000
Point = dict[str, Any]
"""Up to where a store was told, as JSON; empty: nothing was. Only its store understands it."""


class Store(Protocol):
    """One of the stores that are told of."""

    name: str

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield what came after a point, some at a time, with the point that is reached then.

        Raises:
            PlatformError: It cannot be read.
        """


class Window:
    """Which moments of the last day were told.

    For stores whose rows have a time and no number of their change: rows come in by and by, so one
    that is a little older than the newest may be new. What is older than a day is told already.
    A moment in the future, of a clock that was ahead, does not bring it further than now.
    """

    def __init__(self, point: Point, now_ms: int) -> None:
        self._now = now_ms
        self._until = min(int(point.get("until", 0)), now_ms)
        self._told: dict[str, int] = dict(point.get("told", {}))

    @property
    def since_ms(self) -> int:
        """Return from when on rows are to be looked at."""
        return max(0, self._until - DAY_MS)

    def take(self, key: str, at_ms: int) -> bool:
        """Return whether something that happened at a moment is new; it is told from then on."""
        mark = f"{key}@{at_ms}"
        if mark in self._told:
            return False
        self._told[mark] = at_ms
        self._until = max(self._until, min(at_ms, self._now))
        return True

    def point(self, **more: object) -> Point:
        """Return it as it is noted."""
        since = self.since_ms
        self._told = {mark: at for mark, at in self._told.items() if at >= since}
        return {**more, "until": self._until, "told": dict(self._told)}


def born(mirror: Mirror) -> str:
    """Return which mirror it is: the numbers of one made anew mean other changes."""
    table = schema.meta
    rows = mirror.rows(select(table.c.value).where(table.c.key == schema.BORN))
    return str(rows[0].value) if rows else ""


def of_this(mirror: Mirror, after: Point) -> Point:
    """Return a point as far as it is of this mirror, and not of one before it."""
    now = born(mirror)
    return after if after.get("born") == now else {"born": now}


def chunked(found: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield some things at a time."""
    some: list[Any] = []
    for one in found:
        some.append(one)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
