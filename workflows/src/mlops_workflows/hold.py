"""Waiting for the controller's word: a held task begins in Airflow's triggerer and costs no slot.

When the controller has been silent for a while nothing is held: Airflow goes on by pools and
priorities.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TriggerEvent

from mlops_workflows.told import ToldFile, key

_UNSEEN_S = 30.0
_PAUSE_S = 1.0
_FILE = ToldFile()

verdict = _FILE.verdict
"""Return whether a task may start now, by its ``told.key``."""


class Released(BaseTrigger):
    """Fires when a held task may start."""

    def __init__(self, name: str = "") -> None:
        """Begin.

        Args:
            name: The task's ``told.key``; empty: that of the task which Airflow began here.
        """
        super().__init__()
        self.name = name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how Airflow makes it again."""
        return f"{Released.__module__}.{Released.__qualname__}", {"name": self.name}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; a task that the controller never looks at is not held for ever."""
        name = self.name or name_of(self.task_instance)
        began = time.monotonic()
        said = ""
        while not (found := verdict(name)).may_start:
            if found.seen and found.said != said:
                said = found.said
                self.log.info("It waits: %s", said)
            if not found.seen and time.monotonic() - began > _UNSEEN_S:
                break
            await asyncio.sleep(_PAUSE_S)
        yield TriggerEvent({"waited_s": time.monotonic() - began})


IN_TRIGGERER = StartTriggerArgs(
    trigger_cls=f"{Released.__module__}.{Released.__qualname__}", next_method="resume"
)
"""Has Airflow begin a task there: no process and no slot until it is released."""


def name_of(ti: Any) -> str:
    """Return the ``told.key`` of a task instance."""
    return key(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
