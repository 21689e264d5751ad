"""The telemetry loop: tells the mirror how the sampler does, so that pages know without asking."""

from pathlib import Path

from services.mirror.store import Store
from services.platform.probes import HeartbeatProbe

INTERVAL_S = 3.0
_STARTING_TURNS = 10


class TelemetryWatch:
    """Looks at the sampler's report."""

    def __init__(self, store: Store, run: Path) -> None:
        self._store = store
        self._probe = HeartbeatProbe(run / "telemetry.json")
        self._turns = 0
        self._answered = False

    def turn(self) -> None:
        """Look once."""
        self._turns += 1
        answer = self._probe(0.0)
        if answer.ready:
            self._answered = True
            self._store.write_engine("telemetry", "Telemetry", "live")
            return
        # It starts beside us: so long its silence is no event.
        gone = self._answered or self._turns > _STARTING_TURNS
        reason = answer.detail if gone else f"It may still be starting: {answer.detail}"
        hint = "Machines are not sampled meanwhile. `mlops restart telemetry` starts it again."
        self._store.write_engine(
            "telemetry", "Telemetry", "down" if gone else "stale", reason, hint, event=gone
        )
