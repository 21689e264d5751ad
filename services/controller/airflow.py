"""The Airflow loop: tells the mirror how Airflow does, so that pages know without asking.

The supervisor asks Airflow and each of its parts every few seconds; this reads what it noted.
"""

from services.home import Home
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.platform.status import EngineStatus, status

INTERVAL_S = 3.0
_NAME, _TITLE = "airflow", "Airflow"
_HINT = "Workflows wait and go on by themselves. `mlops status` and `mlops logs airflow` say more."


def away(mirror: Mirror) -> str:
    """Return why Airflow starts nothing now, as it ends a sentence; empty when it is well."""
    found = next((one for one in mirror.freshness() if one.engine == _NAME), None)
    if found is not None and found.state == "live":
        return ""
    return "Airflow does not answer" if found is None else f"Airflow is {found.state}"


class AirflowWatch:
    """Looks at what the supervisor knows."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home

    def turn(self) -> None:
        """Look once."""
        found = status(self._home).engines
        engine = next((one for one in found if one.name == _NAME), None)
        if engine is None:
            self._store.forget_engine(_NAME)
        elif engine.state == "live":
            self._store.write_engine(_NAME, _TITLE, "live")
        else:
            self._tell(engine)

    def _tell(self, engine: EngineStatus) -> None:
        # The first start installs and migrates: so long its silence is no event.
        coming = engine.phase == "starting"
        state = "down" if engine.state == "never" else engine.state
        reason = f"It is being started: {engine.detail}" if coming else engine.detail
        self._store.write_engine(
            _NAME, _TITLE, "stale" if coming else state, reason, _HINT, event=not coming
        )
