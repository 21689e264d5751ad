"""``python -m services.predictions.comparing HOME``: compares answers while a rollout is watched.

The engine ``predictions`` starts it when the serving engine wishes for a comparison; it ends when
none is wished for any more, and what columns took of memory goes with it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.errors import PlatformError
from services.home import Home
from services.predictions import sides
from services.serving import drift
from services.serving.drift import Found, Wish

logger = logging.getLogger(__name__)

_LOOK_S = 0.5
_LEAST_S = 2.0
_SHARE = 20.0
"""After a comparison it rests that many times as long: a twentieth of a core."""
_LONGEST_S = 30.0
"""It rests no longer, so that what was found stays fresh (``drift.STALE_S``)."""


class Comparer:
    """Compares what is wished for, each as often as it can afford."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._due: dict[Wish, float] = {}
        self._found: dict[str, Found] = {}

    def turn(self) -> bool:
        """Compare what is due; return whether anything is wished for.

        Raises:
            OSError: What was found cannot be written.
        """
        wishes = drift.wishes(self._home)
        self._due = {one: self._due.get(one, 0.0) for one in wishes}
        names = {one.name for one in wishes}
        self._found = {name: one for name, one in self._found.items() if name in names}
        due = [one for one in wishes if time.monotonic() >= self._due[one]]
        for wish in due:
            began = time.monotonic()
            self._found[wish.name] = self._compared(wish)
            took = time.monotonic() - began
            rest = min(max(_LEAST_S, took * _SHARE), _LONGEST_S)
            self._due[wish] = time.monotonic() + rest
        if due:
            drift.write_found(self._home, self._found.values())
        return bool(wishes)

    def _compared(self, wish: Wish) -> Found:
        try:
            return sides.compare(self._home, wish, time.time())
        except PlatformError as error:
            return Found(wish.name, wish.version, wish.began_at, None, str(error))


def run(comparer: Comparer, alone: Callable[[], bool]) -> int:
    """Compare until nothing is wished for, or nobody would start another one; return the code."""
    try:
        while comparer.turn() and not alone():
            time.sleep(_LOOK_S)
    except OSError as error:
        logger.warning("What was found cannot be written: %s.", error.strerror or error)
        return 1
    return 0


def main(root: str) -> int:
    """Compare for one home; return the exit code."""
    import pyarrow as pa

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.nice(5)  # whoever answers predictions goes first
    pa.set_memory_pool(pa.system_memory_pool())
    engine = os.getppid()
    return run(Comparer(Home(Path(root))), lambda: os.getppid() != engine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
