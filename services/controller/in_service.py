"""The loop that notes when deployments are in service: what objectives of availability count."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from services.actions.journal import Journal
from services.errors import PlatformError
from services.home import Home
from services.platform import state as states
from services.serving import figures, in_service, status, store
from services.serving.in_service import Run, Runs, State

INTERVAL_S = 3.0
_WRITTEN_S = 30.0
"""A state that lasts is written down so often, a new one at once."""
_PATIENCE_S = 2.0


@dataclass(slots=True)
class InServiceWatch:
    """Looks at what the serving engine and the gateway wrote last, and notes it by deployment."""

    home: Home
    journal: Journal
    clock: Callable[[], float] = time.time
    _runs: dict[str, tuple[Run, ...]] | None = None
    _written_at: float = 0.0

    def turn(self) -> None:
        """Look once.

        Raises:
            PlatformError: The file cannot be read or written; what was seen is written later.
            JournalError: The journal cannot be read.
        """
        now = self.clock()
        before: Runs = in_service.read(self.home) if self._runs is None else self._runs
        wanted = {one.name for one in store.endpoints(self.journal) if one.live is not None}
        found = self._found(wanted, now)
        runs = {
            name: mine
            for name in sorted(wanted | before.keys())
            if (mine := in_service.noted(before.get(name, ()), now, found.get(name, "off")))
            and any(one.state != "off" for one in mine)
        }
        self._runs = runs
        changed = any(_states(runs, name) != _states(before, name) for name in runs)
        if changed or abs(now - self._written_at) >= _WRITTEN_S:
            in_service.write(self.home, runs)
            self._written_at = now

    def _found(self, wanted: set[str], now: float) -> dict[str, State | None]:
        if not wanted:
            return {}
        seen, counted = status.read(self.home), figures.read(self.home)
        if counted is None:
            return dict.fromkeys(wanted)  # it has not begun yet
        # On a full disk it writes nothing, and answers.
        gateway = not counted.stale(now) or _answers(self.home)
        known = {} if seen is None or seen.stale(now) else seen.endpoints
        return {name: in_service.state(known.get(name), gateway=gateway) for name in wanted}


def _states(runs: Runs, name: str) -> tuple[int, State | None]:
    mine = runs.get(name, ())
    return len(mine), mine[-1].state if mine else None


def _answers(home: Home) -> bool:
    try:
        gateway = states.load(home.run / "state.json").engine("gateway")
        if gateway is None or not gateway.url:
            return False
        return httpx.get(f"{gateway.url}/healthz", timeout=_PATIENCE_S, trust_env=False).is_success
    except (httpx.HTTPError, PlatformError):
        return False
