"""API keys as the gateway knows them: a copy of the journal's, at most half a second old.

A key that is not in the copy may have been made just now: the journal is looked at once more before
it is refused. All such requests share that look, and looks have pauses between them, so that a
flood of made-up keys costs no more than a bounded number of reads.
"""

import asyncio
import contextlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from services.errors import MlopsError
from services.gateway.problems import Problem
from services.serving.store import ApiKey, key_hash, key_id_of

logger = logging.getLogger(__name__)

POLL_S = 0.5
PAUSE_S, SHARE = 0.1, 0.2
"""Between two looks there is the pause at least, and never do they take more than the share of a
core."""
PATIENCE_S = 2.0
"""A key that is not known waits so long for a look."""
STALE_S = 60.0
"""An older copy opens nothing: a key may have been revoked since."""
_SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is read again: its time stamps are coarse."""


class KeyRing:
    """All keys that were made, those revoked included."""

    def __init__(
        self, read: Callable[[], Iterable[ApiKey]], file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._read = read
        self._file = file
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._read_at: float | None = None
        self._mark: tuple[int, int, int] | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._troubled = False
        self._wanted = threading.Event()
        """A look before its time."""
        self._lock = threading.Lock()
        self._waiting: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Begin to follow the journal in a thread."""
        self.look()
        self._thread = threading.Thread(target=self._follow, name="keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        pause_s = PAUSE_S
        while not self._ended.wait(pause_s):
            self._wanted.wait(max(0.0, POLL_S - pause_s))
            self._wanted.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
            began = time.monotonic()
            try:
                self.look()
            except Exception:  # the copy grows old, and opens nothing then
                logger.exception("reading API keys")
            for future in waiting:
                with contextlib.suppress(RuntimeError):  # the gateway has ended meanwhile
                    future.get_loop().call_soon_threadsafe(_seen, future)
            pause_s = max(PAUSE_S, (time.monotonic() - began) * (1 / SHARE - 1))

    async def _looked(self) -> None:
        """Wait for a look that begins from now on.

        Raises:
            Problem: The journal cannot be read, or not in time.
        """
        if self._thread is None:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(future)
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await future
        if self._troubled or not future.done() or future.cancelled():
            raise _unreadable()

    def look(self) -> None:
        """Read the keys, unless the journal's file is the same since it was last read."""
        begun = self._clock()
        mark = self._found_mark()
        if mark is not None and mark == self._mark and self._read_at is not None:
            self._read_at = begun
            return
        try:
            self._keys = {key.id: key for key in self._read()}
        except MlopsError as error:
            if not self._troubled:
                logger.warning("API keys cannot be read: %s", error)
            self._troubled = True
            return
        self._troubled = False
        self._read_at = begun
        self._mark = mark

    def _found_mark(self) -> tuple[int, int, int] | None:
        """Return what changes with the file; None when that cannot be trusted."""
        if self._file is None:
            return None
        try:
            seen = self._file.stat()
        except OSError:
            return None
        if time.time_ns() - seen.st_mtime_ns < _SETTLED_NS:
            return None
        return seen.st_ino, seen.st_size, seen.st_mtime_ns

    @property
    def fresh(self) -> bool:
        """Return whether the copy may still open something."""
        return self._read_at is not None and self._clock() - self._read_at <= STALE_S

    async def key(self, authorization: str, x_api_key: str) -> ApiKey:
        """Return the key that a request brought.

        Raises:
            Problem: It brought none, or one that is unknown, expired or revoked.
        """
        given = x_api_key
        if authorization:
            scheme, _, rest = authorization.partition(" ")
            given = rest.strip() if scheme.lower() == "bearer" else given
        if not given:
            raise Problem(
                "no-key", "Send an API key: `Authorization: Bearer mlk_…` or `X-API-Key: mlk_…`.",
                field="Authorization",
            )  # fmt: skip
        if not self.fresh:
            raise _unreadable()
        key_id = key_id_of(given)
        if key_id and key_id not in self._keys:
            await self._looked()
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(key.hash, key_hash(given)):
            raise Problem("no-key", "This API key is not known.", field="Authorization")
        if not key.good(time.time()):
            how = "was revoked" if key.revoked_at is not None else "has expired"
            raise Problem("no-key", f"This API key {how}.", field="Authorization")
        return key


def _seen(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _unreadable() -> Problem:
    return Problem(
        "away", "API keys cannot be checked now: the journal cannot be read.", retry_after_s=2
    )
