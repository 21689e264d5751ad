"""Waiting for the controller's word: a held task is deferred and costs no slot.

The controller writes ``MLOPS_HOME/airflow/weights.json``: who may start, and who may not and why.
When it has been silent for a while nothing is held: Airflow goes on by the contract's priorities.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from mlops_workflows.files import read_object
from mlops_workflows.place import Place

_SILENT_S = 60.0
_UNSEEN_S = 30.0
_PAUSE_S = 1.0


def decisions(home: Path) -> dict[str, Any]:
    """Return what the controller decided; empty when it says nothing or has been silent."""
    found = read_object(home / "airflow" / "weights.json") or {}
    try:
        age_s = time.time() - datetime.fromisoformat(str(found.get("at"))).timestamp()
    except ValueError:
        return {}
    return found if age_s < _SILENT_S else {}


def reason(found: dict[str, Any], place: Place) -> str | None:
    """Return why a task may not start, None when it may."""
    job = f"{place.dag}/{place.run}/{place.label}"
    released, held = found.get("released"), found.get("held")
    if not isinstance(released, dict) or not isinstance(held, dict) or job in released:
        return None
    return str(held.get(job) or _UNSEEN)


_UNSEEN = "The controller has not looked at it yet."


class Released(BaseTrigger):
    """Fires when a held task may start."""

    def __init__(self, home: str, dag: str, run: str, label: str) -> None:
        super().__init__()
        self.home = home
        self.place = Place(dag, run, label, 0)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how Airflow makes it again."""
        place = self.place
        given = {"home": self.home, "dag": place.dag, "run": place.run, "label": place.task}
        return "mlops_workflows.hold.Released", given

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; a task that the controller never looks at is not held for ever."""
        began = time.monotonic()
        while (why := reason(decisions(Path(self.home)), self.place)) is not None:
            if why == _UNSEEN and time.monotonic() - began > _UNSEEN_S:
                break
            await asyncio.sleep(_PAUSE_S)
        yield TriggerEvent({"waited_s": time.monotonic() - began})
