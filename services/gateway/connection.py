"""One HTTP connection: uvicorn's, with bounds in time and size that it does not have.

A sweep looks at all connections every second, so a request costs no timer of its own.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S = 10.0
"""For the request line and headers, from their first byte, or from when somebody connected."""
BODY_S, BYTES_PER_S = 10.0, 32 << 10
"""A body may take so long, and longer only while it comes at this pace."""
BODY_BYTES = 16 << 20
"""More of a body is read by nobody, so it buys no more time."""
WRITE_S = 30.0
"""So long may an answer lie here, and longer only while it is taken at that pace."""
HEAD_BYTES = 32 << 10
MOST = 2048
"""Connections at once."""
_LARGE = "The request line and headers are too large."


class BoundedConnection(HttpToolsProtocol):
    """A connection that a slow or endless request cannot hold."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.reading_since: float | None = None
        """A request is coming in since."""
        self.in_head = True
        self.received = 0
        """Bytes of what is coming in."""
        self.idle_since: float | None = None
        """The last request is answered since."""
        self._chunk = 0
        self._beside = 0
        """Bytes after the last of a body: sizes of chunks, their extensions, trailers."""
        self._unread_since: float | None = None
        self._unread = 0
        self._running: RequestResponseCycle | None = None
        """What is being answered: ``cycle`` may be a request behind it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.reading_since = time.monotonic()
        if len(self.connections) > MOST:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells the last that came."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _make_room(self) -> None:
        """End the one that has been idle longest, else this one."""
        ours = [one for one in self.connections if isinstance(one, BoundedConnection)]
        idle = [(one.idle_since, id(one), one) for one in ours if one.idle_since is not None]
        (min(idle)[2] if idle else self).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Count what comes in; headers and trailers without an end are refused."""
        self._chunk = len(data)
        self.received += self._chunk
        self._beside += self._chunk
        before = self.in_head
        super().data_received(data)
        counted = self.received if before and self.in_head else self._beside
        if before == self.in_head and counted > HEAD_BYTES and self.reading_since is not None:
            self._refuse(431, _LARGE)

    def on_message_begin(self) -> None:
        """Begin the clock of a request."""
        super().on_message_begin()
        self.idle_since = None
        self.in_head, self.received = True, self._chunk
        self.reading_since = time.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers, which come behind the body, are none."""
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the body."""
        large = self.received > HEAD_BYTES and self._head_bytes() > HEAD_BYTES
        self.in_head, self.received, self._beside = False, 0, 0
        super().on_headers_complete()
        if large:  # all of it came at once
            self._refuse(431, _LARGE)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self.reading_since = None
        self.in_head, self.received = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        if self._answered:  # nothing was sent before it, too
            self.idle_since = time.monotonic()

    def sweep(self, now: float) -> None:
        """End the connection when it is too slow."""
        if self._unread_too_long(now):
            self.transport.abort()
        elif self.reading_since is None:
            # Uvicorn's own timer ends with any byte, also one that begins no request.
            if self.idle_since and now - self.idle_since > self.timeout_keep_alive:
                self.transport.close()
        elif self._behind_another:
            self.reading_since = now  # it is not read while the one before is answered
        elif self.in_head:
            if now - self.reading_since > HEAD_S:
                self._refuse(408, "The headers came too slowly.")
        elif now - self.reading_since > BODY_S + min(self.received, BODY_BYTES) / BYTES_PER_S:
            self._refuse(408, "The body came too slowly.")

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _behind_another(self) -> bool:
        """Return whether what comes in was sent before the request before it was answered."""
        return bool(self.pipeline) or (self.in_head and not self._answered)

    def _unread_too_long(self, now: float) -> bool:
        """Return whether an answer is not taken, also one that is left when all else is done."""
        left = self.transport.get_write_buffer_size()
        # While an answer is written bit by bit, what lies here says nothing: more comes.
        done = self._answered or self.flow.write_paused or self.transport.is_closing()
        if not (left and done) or self._unread_since is None or left > self._unread:
            self._unread_since, self._unread = (now if left and done else None), left
            return False
        return now - self._unread_since > WRITE_S + (self._unread - left) / BYTES_PER_S

    def _refuse(self, status: int, said: str) -> None:
        if self.transport.is_closing():
            return
        begun = not self._answered
        if not (begun and (self._behind_another or self.cycle.response_started)):
            kind = "slow" if status == 408 else "too-large"
            reason = "Request Timeout" if status == 408 else "Request Header Fields Too Large"
            body = (
                f'{{"type":"urn:mlops:problem:{kind}","title":"{reason}","status":{status},'
                f'"detail":"{said}","error":"{said}"}}'
            )
            self.transport.write(
                f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()
            )
        if begun:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def sweep(connections: Any, now: float) -> None:  # noqa: ANN401 - uvicorn's set of protocols
    """Look at all connections once."""
    for one in tuple(connections):
        if isinstance(one, BoundedConnection):
            one.sweep(now)
