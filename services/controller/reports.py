"""The loop of scheduled reports: has them made where Airflow does not, and tells of them.

With Airflow the DAG ``platform.report`` makes them each hour; what is still due after a while (it
is away, or paused) is made from here. Both hold one lock, so none is made twice.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.actions.journal import Journal
from services.errors import PlatformError
from services.home import Home
from services.reports import schedules

INTERVAL_S = 30.0
PATIENCE_S = 2 * 3600.0
"""So long Airflow has time for it."""
_TIMEOUT_S = 1800.0
_LAST_WORDS = 600


@dataclass(slots=True)
class ReportWatch:
    """Has reports made that are due, and tells of those that were made."""

    home: Home
    journal: Journal
    base: Callable[[], str]
    """The address of the dashboard, empty while it is not known."""
    patience_s: float = 0.0
    clock: Callable[[], float] = time.time

    def turn(self) -> None:
        """Make what is due, and tell of what was made.

        Raises:
            PlatformError: One could not be made; the others were, and those made are told.
        """
        fault = None
        if schedules.late(self.journal, self.clock(), self.patience_s):
            try:
                self._make()
            except PlatformError as error:
                fault = error
        schedules.tell(self.home, self.journal, self.clock(), self.base())
        if fault is not None:
            raise fault

    def _make(self) -> None:
        """Make them in a process of its own: what they load is not to stay here."""
        command = [sys.executable, "-P", "-m", "services.reports", "due"]
        environment = {**os.environ, "MLOPS_HOME": str(self.home.root)}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", env=environment,
                timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise PlatformError(
                f"The scheduled reports were not made within {_TIMEOUT_S / 60:g} minutes.",
                "See what else runs on this machine; they are tried again.",
            ) from error
        except OSError as error:
            raise PlatformError(
                f"No process could be started that makes reports: {error.strerror or error}.",
                "See that memory and processes are left on this machine.",
            ) from error
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["It said nothing."])[-1]
            raise PlatformError(said[-_LAST_WORDS:], "`mlops report schedules` shows which.")
