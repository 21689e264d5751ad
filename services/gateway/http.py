"""Requests and replies over plain ASGI: bodies are bounded while they come in."""

import asyncio
import contextlib
import os
import re
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from services.gateway.problems import Problem, bad

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
_DRAIN_BYTES, _DRAIN_S = 256 << 20, 5.0
"""A body that is refused is read and thrown away so far: who is still sending reads no answer."""
_UUID7 = re.compile(
    rb"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?7[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
)
_CLOCKS_DIFFER_MS = 3_600_000
_MARKS = (b"[", b"{", b",")


GONE = 499
"""How the logs tell that who asked hung up."""


class GoneError(Exception):
    """Who asked has hung up."""


@dataclass(slots=True)
class Seen:
    """What the log of requests and the counts tell of a request."""

    project: str = ""
    model: str = ""
    version: int | None = None
    backend: str = ""
    asked: bool = False
    """Whether a model was asked, or would have been."""
    key_id: str = ""
    rows: int = 0
    status: int = 0
    ms: float = 0.0
    """Until the answer went out, or for events until all of it had."""
    retried: int = 0


@dataclass(slots=True)
class Reply:
    """An answer that is known whole."""

    body: bytes
    status: int = 200
    media: bytes = JSON
    headers: Headers = field(default_factory=list)
    after: Callable[[], None] | None = None
    """Called when all of it went out: shadows."""


@dataclass(slots=True)
class Events:
    """An answer that comes bit by bit, as server-sent events."""

    pieces: AsyncGenerator[bytes]
    headers: Headers = field(default_factory=list)


class Request:
    """One request."""

    __slots__ = (
        "_ended",
        "_receive",
        "at",
        "began",
        "headers",
        "held",
        "id",
        "method",
        "parts",
        "scope",
        "seen",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self._ended = False
        """Whether no more of the body comes."""
        self.at = time.time()
        self.began = time.perf_counter()
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        raw = scope["raw_path"]
        text = raw.decode("latin-1")
        self.parts: list[str] = text[1:].split("/")
        if "%" in text:
            self.parts = [unquote(part) for part in self.parts]
        self.id = _request_id(self.headers.get(b"x-request-id"))
        self.seen = Seen()
        self.held = 0
        """Bytes of it that are counted as held."""

    def header(self, name: bytes) -> str:
        """Return a header's text, empty when it was not sent."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    def ms(self) -> float:
        """Return how long it has taken until now."""
        return (time.perf_counter() - self.began) * 1000

    def length(self, unknown: int) -> int:
        """Return the bytes that the body will have; ``unknown`` where nothing was said."""
        said = self.headers.get(b"content-length")
        return unknown if said is None else int(said)

    async def body(self, limit: int, hold: Callable[[int], None]) -> bytes:
        """Return the body.

        Args:
            limit: Bytes that it has at most, unpacked as well.
            hold: Told how many bytes came, each time some did; may raise.

        Raises:
            Problem: It is too large, or packed in a way that is not read.
            GoneError: Who asked hung up before it was there.
        """
        _see_size(self.length(0), limit, more=True)
        packing = self.header(b"content-encoding").lower()
        if packing not in {"", "identity", "gzip", "deflate"}:
            raise Problem("media", f"Content-Encoding {packing!r} is not read here.",
                          field="Content-Encoding", close=True)  # fmt: skip
        body = await self._piece()
        _see_size(len(body), limit, more=not self._ended)
        hold(len(body))
        if not self._ended:
            body = await self._rest(body, limit, hold)
        return unpacked(body, limit) if packing in {"gzip", "deflate"} else body

    async def _rest(self, begun: bytes, limit: int, hold: Callable[[int], None]) -> bytes:
        whole = bytearray(begun)
        while not self._ended:
            piece = await self._piece()
            _see_size(len(whole) + len(piece), limit, more=not self._ended)
            hold(len(piece))
            whole += piece
        return bytes(whole)

    async def _piece(self) -> bytes:
        """Return what came next of the body.

        Raises:
            GoneError: Who asked hung up.
        """
        message = await self._receive()
        if message["type"] != "http.request":
            raise GoneError
        self._ended = not message.get("more_body")
        piece: bytes = message.get("body", b"")
        return piece

    async def drain(self) -> None:
        """Read the rest of a body that nobody wants, within bounds."""
        left = _DRAIN_BYTES
        with contextlib.suppress(TimeoutError, GoneError):
            async with asyncio.timeout(_DRAIN_S):
                while left > 0 and not self._ended:
                    left -= len(await self._piece())

    async def gone(self) -> None:
        """Wait until who asked hangs up; the body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _request_id(given: bytes | None) -> str:
    """Return a given id when it is a UUIDv7 of about now, else a fresh one, as 32 hex digits.

    The prediction log finds a request's day in its id.
    """
    stamp = time.time_ns() // 1_000_000
    if given is not None and _UUID7.fullmatch(given):
        digits = given.replace(b"-", b"").decode().lower()
        if abs(int(digits[:12], 16) - stamp) < _CLOCKS_DIFFER_MS:
            return digits
    mark = int.from_bytes(os.urandom(10))
    high = stamp << 16 | 0x7000 | (mark >> 64) & 0xFFF
    low = 0x8000000000000000 | (mark & 0x3FFFFFFFFFFFFFFF)
    return f"{high << 64 | low:032x}"


def too_large(limit: int, *, more: bool) -> Problem:
    """Return what a body over the limit is answered with; ``more`` of it is on its way."""
    return Problem("too-large", f"The body has more than {limit} bytes.", close=more)


def _see_size(size: int, limit: int, *, more: bool) -> None:
    if size > limit:
        raise too_large(limit, more=more)


def unpacked(body: bytes, limit: int) -> bytes:
    """Return a gzip or zlib body, at most ``limit`` bytes of it.

    Raises:
        Problem: It is damaged, or larger.
    """
    stream = zlib.decompressobj(wbits=47)  # finds out which of the two it is
    try:
        found = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise bad("The body is not what Content-Encoding says.", "Content-Encoding") from error
    _see_size(len(found), limit, more=False)
    if not stream.eof:
        raise bad("The compressed body ends too early.", "Content-Encoding")
    return found


def parsed(body: bytes, most: int | None = None) -> dict[str, Any]:
    """Return a JSON object.

    Args:
        body: What was sent.
        most: So many brackets and commas it has at most, those in texts as well: what reading costs
            goes with the number of values, not with the bytes.

    Raises:
        Problem: It is none, has too many values, or is nested absurdly deep.
    """
    if most is not None and len(body) > most and sum(map(body.count, _MARKS)) > most:
        raise Problem(
            "too-large", f"The body has more than {most} brackets and commas; send less at once."
        )
    try:
        said = orjson.loads(body)  # refuses what is nested deeper than 1,024, NaN, and bad UTF-8
    except ValueError as error:
        raise bad(f"The body is not JSON: {error}.") from error
    if not isinstance(said, dict):
        raise bad("The body must be a JSON object.")
    return said


async def send_reply(send: Send, request: Request, reply: Reply) -> None:
    """Send an answer."""
    headers = [
        (b"content-type", reply.media),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request.id.encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    closing = (b"connection", b"close") in reply.headers
    if closing:  # first the answer, then what is still coming
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await request.drain()
        reply.body = b""
    await send({"type": "http.response.body", "body": reply.body})
    if reply.after is not None:
        reply.after()


async def send_events(send: Send, request: Request, events: Events) -> None:
    """Send an answer bit by bit; when who asked hangs up, the generator is closed."""
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request.id.encode()),
        *events.headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(request.gone())
    pumping = asyncio.create_task(_pump(send, events.pieces))
    try:
        await asyncio.wait({gone, pumping}, return_when=asyncio.FIRST_COMPLETED)
        if not pumping.done():
            raise GoneError
        pumping.result()
    finally:
        for task in (gone, pumping):
            task.cancel()
        await asyncio.gather(gone, pumping, return_exceptions=True)
        await events.pieces.aclose()
    await send({"type": "http.response.body", "body": b""})


async def _pump(send: Send, pieces: AsyncGenerator[bytes]) -> None:
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
