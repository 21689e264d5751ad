"""The loop of what serves: tells the mirror how the serving engine and the gateway do."""

import time
from dataclasses import dataclass

from services.home import Home
from services.mirror.models import EngineState
from services.mirror.store import Store
from services.serving import figures, status

INTERVAL_S = 3.0
_STARTING_TURNS = 20


@dataclass(slots=True)
class _Watched:
    """One of them."""

    name: str
    title: str
    hint: str
    answered: bool = False


class ServingWatch:
    """Looks at what both wrote last."""

    def __init__(self, store: Store, home: Home, *, enabled: bool) -> None:
        self._store = store
        self._home = home
        self._enabled = enabled
        self._turns = 0
        self._serving = _Watched(
            "serving",
            "Serving",
            "Models in service go on answering; nothing is deployed, scaled or mended meanwhile. "
            "`mlops restart serving` starts it again.",
        )
        self._gateway = _Watched(
            "gateway",
            "Gateway",
            "Applications get no answer meanwhile. `mlops restart gateway` starts it again.",
        )

    def turn(self) -> None:
        """Look once."""
        if not self._enabled:
            for one in (self._serving, self._gateway):
                self._store.forget_engine(one.name)
            return
        self._turns += 1
        seen, counted = status.read(self._home), figures.read(self._home)
        silent = _silent(seen.at if seen else None, status.STALE_S)
        unwell = f"Ray is not well: {seen.ray}" if seen is not None and seen.ray else ""
        self._tell(self._serving, silent or unwell, "down" if silent else "stale")
        self._tell(self._gateway, _silent(counted.at if counted else None, figures.STALE_S), "down")

    def _tell(self, one: _Watched, why: str, state: EngineState) -> None:
        if not why:
            one.answered = True
            self._store.write_engine(one.name, one.title, "live")
            return
        # They start beside us: so long their silence is no event.
        gone = one.answered or self._turns > _STARTING_TURNS
        reason = why if gone else f"It may still be starting: {why}"
        self._store.write_engine(
            one.name, one.title, state if gone else "stale", reason, one.hint, event=gone
        )


def _silent(at: float | None, most_s: float) -> str:
    """Return why what was written last is not of this moment; empty when it is."""
    if at is None:
        return "It has not reported yet."
    age_s = time.time() - at
    return f"Its last report is {age_s:.0f} s old." if age_s > most_s else ""
