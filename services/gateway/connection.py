"""One HTTP connection: uvicorn's, with bounds in time and size that it does not have.

A sweep looks at all connections every second, so a request costs no timer of its own.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""For the request line and headers, from their first byte, or from when somebody connected."""
BODY_S, BODY_BYTES_PER_S = 10.0, 32 << 10
"""A body may take so long, and longer only while it comes at this pace."""
WRITE_S = 30.0
"""So long may a client read nothing of its answer."""
HEAD_BYTES = 32 << 10
MOST = 2048
"""Connections at once."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that a slow or endless request cannot hold."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.reading_since: float | None = None
        """A request is coming in since."""
        self.in_head = True
        self.received = 0
        """Bytes of what is coming in."""
        self._chunk = 0
        self.stuck_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.reading_since = time.monotonic()
        if len(self.connections) > MOST:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Count what comes in; headers without an end are refused."""
        self._chunk = len(data)
        self.received += self._chunk
        before = self.in_head
        super().data_received(data)
        if before and self.in_head and self.received > HEAD_BYTES:
            self._refuse(431, "The request line and headers are too large.")

    def on_message_begin(self) -> None:
        """Begin the clock of a request."""
        super().on_message_begin()
        self.in_head, self.received = True, self._chunk
        self.reading_since = time.monotonic()

    def on_headers_complete(self) -> None:
        """Begin the body."""
        self.in_head, self.received = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self.reading_since = None
        self.in_head, self.received = True, 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Remember since when nothing is read."""
        super().pause_writing()
        self.stuck_since = time.monotonic()

    def resume_writing(self) -> None:
        """All is well again."""
        super().resume_writing()
        self.stuck_since = None

    def sweep(self, now: float) -> None:
        """End the connection when it is too slow."""
        if self.stuck_since is not None and now - self.stuck_since > WRITE_S:
            self.transport.abort()
        elif self.reading_since is None:
            return
        elif self.in_head:
            if now - self.reading_since > HEAD_S:
                self._refuse(408, "The headers came too slowly.")
        elif now - self.reading_since > BODY_S + self.received / BODY_BYTES_PER_S:
            self._refuse(408, "The body came too slowly.")

    def _refuse(self, status: int, said: str) -> None:
        if self.transport.is_closing():
            return
        begun = self.cycle is not None and not self.cycle.response_complete
        if not (begun and self.cycle.response_started):
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
