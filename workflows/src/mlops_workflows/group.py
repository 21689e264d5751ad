"""A command as a process group of its own, which is ended whole."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_workflows import memory

_AFTER_KILL_S = 3.0
_LEFTOVER_GRACE_S = 3.0
_PAUSE_S = 0.05


class Group:
    """The processes of one command."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        """Start it.

        Raises:
            OSError: The program or the folder is not there.
        """
        self._process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.meter = memory.Meter(self.pid)
        self.status: int | None = None
        """How the first process ended: the exit code, or minus the signal."""

    @property
    def output(self) -> int:
        """Return the descriptor its output comes from."""
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        return self._process.stdout.fileno()

    def poll(self) -> int | None:
        """Return how the first process ended, None while it runs."""
        if self.status is None:
            try:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.status = self._process.returncode = -signal.SIGKILL
                return self.status
            if pid:
                self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.meter.settle(usage.ru_maxrss)
        return self.status

    def send(self, number: int) -> None:
        """Send a signal to every process of the group, and to those that left it."""
        self._signal(number)
        self._signal(signal.SIGCONT)  # what is stopped is woken to hear it

    def halt(self) -> None:
        """Stop every process where it is; its memory stays, and it uses no more of the machine.

        Twice: what a process started just before it was stopped is stopped, too.
        """
        for _ in range(2):
            self.meter.find()
            self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let what was halted go on."""
        self.meter.find()
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for pid in self._strays():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _strays(self) -> list[int]:
        return [
            pid
            for pid, process in self.meter.seen.items()
            if pid != self.pid and memory.lives(process)
        ]

    def sweep(self) -> bool:
        """End what the first process left behind in its group; return whether there was any."""
        if not alive(self.pid):
            return False
        for number, patience_s in (
            (signal.SIGTERM, _LEFTOVER_GRACE_S),
            (signal.SIGKILL, _AFTER_KILL_S),
        ):
            send(self.pid, number)
            if gone_within(self.pid, patience_s):
                break
        return True

    def close(self) -> None:
        """Give the pipe back."""
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self._process.stdout.close()


def send(group: int, number: int) -> None:
    """Send a signal to a group; one that is stopped is woken to hear it."""
    for each in (number, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, each)


def alive(group: int) -> bool:
    """Return whether a group has any process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # on a Mac, of a group of nothing but ended processes
        return False
    return True


def gone_within(group: int, patience_s: float) -> bool:
    """Wait for a group to be empty; return whether it is."""
    deadline = time.monotonic() + patience_s
    while alive(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def kill_left(group: int, task: str) -> bool:
    """End a group whose watcher died, if it still works for that task; return whether it did."""
    if not any(memory.works_for(pid, task) for pid in memory.members(group)):
        return False
    send(group, signal.SIGTERM)
    if not gone_within(group, _LEFTOVER_GRACE_S):
        send(group, signal.SIGKILL)
        gone_within(group, _AFTER_KILL_S)
    return True
