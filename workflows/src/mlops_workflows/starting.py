"""The task's end of the tie: starts the runner, passes its lines on, and reads how it went."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_workflows import evidence, lock
from mlops_workflows.group import kill_left
from mlops_workflows.order import CANCEL, Order

_PACKAGE = Path(__file__).resolve().parent.parent


class NoEvidenceError(Exception):
    """The runner ended without a word; the message says what is known."""


class Watched:
    """A command under a runner."""

    def __init__(self, order: Order) -> None:
        """Start it.

        Raises:
            OSError: The runner cannot be started.
        """
        self.order = order
        path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlops_workflows.runner"],
            env=os.environ | {"PYTHONPATH": path},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(order.line())

    def cancel(self) -> None:
        """Ask for the command's end; the runner gives it its grace, also when we are gone."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(CANCEL)

    def follow(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Pass every line on and return the evidence.

        Raises:
            NoEvidenceError: The runner was killed, or could not write it.
        """
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        last = ""
        with self._process, open(self._process.stdout.fileno(), "rb", closefd=False) as output:
            for line in output:
                last = line.decode(errors="replace").rstrip("\n")
                say(last)
        found = evidence.ended(self.order.file)
        if found is None:
            self._end_what_is_left()
            raise NoEvidenceError(
                f"What watched {self.order.place.job} ended with {self._process.returncode} and "
                f"left no evidence. {last}".strip()
            )
        return found

    def _end_what_is_left(self) -> None:
        path = self.order.place.lock(self.order.evidence)
        with contextlib.suppress(OSError), lock.held(path, lambda: False) as mine:
            left = mine.note() if mine else {}
            if mine is not None and left:
                kill_left(int(left["pid"]), str(left["job"]))
                mine.write({})
