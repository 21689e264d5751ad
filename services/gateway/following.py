"""The routes as they are now: looked at 40 times a second, and when a model server is lost."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.home import Home
from services.serving import routes
from services.serving.routes import Route, Routes
from services.serving.turns import Turn

logger = logging.getLogger(__name__)

LOOK_S = 0.025
Mark = tuple[int, int, int]


class Follower:
    """Follows ``routes.json``."""

    def __init__(
        self, home: Home, changed: Callable[[Routes], None] = lambda _routes: None
    ) -> None:
        self._home = home
        self._path = routes.path(home)
        self.changed = changed
        self._mark: Mark | None = None
        self._unreadable: Mark | None = None
        self._waiting: dict[Turn, None] = {}
        """In the order of asking."""
        self.routes = Routes()

    def look(self) -> bool:
        """Read the routes when the file is another than it was; return whether it was.

        One that is missing or cannot be read leaves what was known: model servers do not depend
        on it.
        """
        try:
            seen = self._path.stat()
        except OSError:
            return False
        mark = seen.st_ino, seen.st_mtime_ns, seen.st_size
        if mark in (self._mark, self._unreadable):
            return False
        found = routes.read(self._home)
        if found is None:
            logger.warning("%s cannot be read; the routes before it stay.", self._path)
            self._unreadable = mark
            return False
        self._mark = mark
        self.routes = found
        self.changed(found)
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        return True

    def route(self, name: str) -> Route | None:
        """Return an endpoint's route."""
        return self.routes.endpoints.get(name)

    @contextmanager
    def telling(self, turn: Turn) -> Iterator[None]:
        """End somebody's wait when the routes change."""
        self._waiting[turn] = None
        try:
            yield
        finally:
            self._waiting.pop(turn, None)
