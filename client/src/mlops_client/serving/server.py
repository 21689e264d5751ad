"""The thread that talks to callers; the model's thread is another one and never waits for it."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mlops_client.serving import memory
from mlops_client.serving.connection import Connection
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.jobs import Job, StreamJob
from mlops_client.serving.owner import Owner

logger = logging.getLogger(__name__)

DRAIN_S = 10.0
QUEUE = 256
"""Most requests that wait or are being answered."""
QUEUED_BYTES = 256 << 20
TOKEN = "MLOPS_SERVING_TOKEN"  # noqa: S105 - the variable's name
_BACKLOG = 512


class Server:
    """Listens, admits, and counts; its loop runs in a thread of its own."""

    def __init__(self, address: str, token: str = "", queue: int = QUEUE) -> None:
        self.info: Info
        self.token = token
        self.loop = asyncio.new_event_loop()
        self.connections: set[Connection] = set()
        self._address = address
        self._queue = queue
        self._owner: Owner | None = None
        self._waiting = 0
        self._bytes = 0
        self._listener: asyncio.Server | None = None
        self._bound: tuple[Path, int] | None = None
        self._draining = False
        self.holding: set[Connection] | None = None
        self._outbox: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._called = False
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)

    def start(self) -> None:
        """Start the loop; nothing listens yet."""
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def listen(self, owner: Owner) -> str:
        """Answer callers from now on; return the address.

        Raises:
            LoadError: The address cannot be used.
        """
        self._owner, self.info = owner, owner.loaded.info
        try:
            return asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()
        except OSError as error:
            raise LoadError(
                f"The model server cannot listen on {self._address}: {error}.",
                "Another process uses the address, or its folder is missing or not writable.",
            ) from error

    async def _listen(self) -> str:
        made = self._tcp if self._address.startswith("tcp:") else self._unix
        listener, said = made()
        try:
            self._listener = (
                await self.loop.create_server(
                    lambda: Connection(self), sock=listener, backlog=_BACKLOG
                )
                if listener.family != socket.AF_UNIX
                else await self.loop.create_unix_server(
                    lambda: Connection(self), sock=listener, backlog=_BACKLOG
                )
            )
        except BaseException:  # cancelled while it begins, too: raised again
            listener.close()
            raise
        return said

    def _tcp(self) -> tuple[socket.socket, str]:
        host, _, port = self._address.removeprefix("tcp:").rpartition(":")
        if not self.token:
            raise LoadError("A model server on a network needs a token.", f"Give one in {TOKEN}.")
        if not host or not port.isdigit():
            raise LoadError(f"{self._address} is no address.", "Write tcp:HOST:PORT.")
        listener = socket.create_server((host.strip("[]"), int(port)), family=_family(host))
        return listener, f"tcp:{host}:{listener.getsockname()[1]}"

    def _unix(self) -> tuple[socket.socket, str]:
        path = Path(self._address.removeprefix("unix:"))
        _clear_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Nobody else can connect before the permissions are set: nothing listens yet.
            listener.bind(str(path))
            path.chmod(0o600)
            self._bound = path, path.stat().st_ino
        except OSError:
            listener.close()
            raise
        return listener, f"unix:{path}"

    def refusal(self, size: int) -> str | None:
        """Return why nothing more is taken now; None when it is."""
        if self._draining:
            return "The model server is ending; ask another one."
        if self._waiting >= self._queue:
            return f"{self._waiting} requests wait already."
        if self._bytes and self._bytes + size > QUEUED_BYTES:
            return f"Requests of {self._bytes >> 20} MB wait already."
        return None

    def hand_over(self, call: Callable[[Any], None], value: object) -> None:
        """Have the loop call something; from the model's thread, many at the price of one."""
        self._outbox.append((call, value))
        if not self._called:
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all connections
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False  # before the look: what comes after it calls again
        self.holding = set()
        while self._outbox:
            call, value = self._outbox.popleft()
            try:
                call(value)
            except Exception:  # a bug of ours: the other answers go out
                logger.exception("An answer could not be written.")
        held, self.holding = self.holding, None
        for connection in held:
            connection.flush()

    def submit(self, job: Job | StreamJob, size: int) -> None:
        """Give a job to the model's thread."""
        assert self._owner is not None  # noqa: S101 - nobody is connected before `listen`
        self._waiting += 1
        self._bytes += size
        self._owner.submit(job)

    def done(self, size: int) -> None:
        """Note that a job is answered."""
        self._waiting -= 1
        self._bytes -= size

    def stats(self) -> dict[str, Any]:
        """Return what was done and what memory is used."""
        assert self._owner is not None  # noqa: S101 - nobody is connected before `listen`
        counts = self._owner.counts
        return {
            **memory.measured(),
            "requests": counts.requests,
            "rows": counts.rows,
            "batches": counts.batches,
            "busy_s": round(counts.busy_s, 6),
            "queue": self._waiting,
            "working_s": self._owner.working_s,
        }

    def drain(self, then: Callable[[], None]) -> None:
        """Take nothing new, answer what was taken for at most 10 s, and call ``then``; once."""
        if not self._draining:
            self._draining = True
            self._task = self.loop.create_task(self._drain(then))

    async def _drain(self, then: Callable[[], None]) -> None:
        if self._listener is not None:
            self._unlink()
            self._listener.close()
        end = time.monotonic() + DRAIN_S
        while self._unanswered() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.close()
        then()

    def _unanswered(self) -> bool:
        return self._waiting > 0 or any(one.busy for one in self.connections)

    def _unlink(self) -> None:
        """Take the socket away; unless another server stands there by now."""
        if self._bound is None:
            return
        path, number = self._bound
        with contextlib.suppress(OSError):
            if path.stat().st_ino == number:
                path.unlink()

    def close(self) -> None:
        """End the loop and its thread."""
        stopped: Future[None] = Future()

        def stop() -> None:
            stopped.set_result(None)
            self.loop.stop()

        self.loop.call_soon_threadsafe(stop)
        stopped.result()
        self._thread.join()


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _clear_stale(path: Path) -> None:
    """Take away a socket that nobody listens on.

    Raises:
        OSError: Somebody does, or something else has the name.
    """
    try:
        seen = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(seen.st_mode) or seen.st_uid != os.getuid():
        raise FileExistsError(f"{path} is no socket of this user")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise FileExistsError(f"another process listens on {path}")
    path.unlink()
