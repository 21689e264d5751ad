"""Waiting for the controller's word: a held task is deferred and costs no slot.

When the controller has been silent for a while nothing is held: Airflow goes on by pools and
priorities.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from mlops_workflows.place import Place
from mlops_workflows.told import ToldFile, Verdict, key

_UNSEEN_S = 30.0
_PAUSE_S = 1.0
_FILES: dict[Path, ToldFile] = {}


def verdict(home: Path, place: Place) -> Verdict:
    """Return whether a task may start now."""
    file = _FILES.setdefault(home, ToldFile(home / "airflow" / "weights.json"))
    return file.verdict(key(place.dag, place.run, place.label))


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
        while not (found := verdict(Path(self.home), self.place)).may_start:
            if not found.seen and time.monotonic() - began > _UNSEEN_S:
                break
            await asyncio.sleep(_PAUSE_S)
        yield TriggerEvent({"waited_s": time.monotonic() - began})
