"""What ends a model server: a signal, the end of its standard input, or of its parent."""

import asyncio
import contextlib
import os
import select
import signal
import socket
import stat
from collections.abc import Callable

import psutil

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_S = 0.5


class Watch:
    """Calls ``end`` in a loop of another thread, also while the main thread is inside a model.

    Python runs a signal's handler in the main thread between two of its steps, and a model may take
    seconds for one; the wake-up descriptor is written at once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, end: Callable[[str], None], parent: int | None
    ) -> None:
        self._loop = loop
        self._end = end
        self._parent = parent
        self._own = parent == os.getppid()
        self._read, self._written = socket.socketpair()
        self._read.settimeout(0)
        self._written.settimeout(0)

    def start(self) -> None:
        """Begin, from the main thread."""
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._loop.add_reader(self._read, self._signalled)
        if _watchable(0):
            os.set_blocking(0, False)
            self._loop.add_reader(0, self._input)
        if self._parent is not None:
            self._look()

    def _signalled(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in self._read.recv(64):
                if number in _SIGNALS:
                    self._end(f"{signal.Signals(number).name} was received")

    def _input(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(0, 4096):
                self._loop.remove_reader(0)
                self._end("standard input was closed")

    def _look(self) -> None:
        if self._parent is not None and not self._lives(self._parent):
            self._end(f"the process {self._parent} that asked for it is gone")
            return
        self._loop.call_later(_LOOK_S, self._look)

    def _lives(self, pid: int) -> bool:
        """Return whether a process goes on; a killed parent stays a zombie until it is reaped."""
        if self._own:
            return os.getppid() == pid
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return True


def _watchable(handle: int) -> bool:
    """Return whether the end of a descriptor means something: an open pipe, and not ended yet."""
    try:
        mode = os.fstat(handle).st_mode
    except OSError:
        return False
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return not poll.poll(0)
