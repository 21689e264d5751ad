"""The telemetry's own HTTP: ``/metrics``, ``/healthz``, and ``/v1/samples`` for agents.

An event loop in a thread of its own; h11 reads the protocol. What waits for the disk is done in one
more thread, one batch after the other, so that a burst of agents costs time and not memory.
"""

import asyncio
import contextlib
import ipaddress
import logging
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import h11
import orjson

from services.telemetry import exposition
from services.telemetry.batches import BODY_LIMIT_BYTES
from services.telemetry.intake import Answer, Intake, problem
from services.telemetry.latest import Latest

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_CONNECTIONS_AT_MOST = 100
_REQUEST_S = 20.0
"""A request must be there whole after so long."""
_IDLE_S = 120.0
_RETRY_S = 5.0
_DRAIN_S = 2.0
_HEAD_LIMIT_BYTES = 16 << 10
_LOCAL_NAMES = {"localhost", LOOPBACK, "[::1]", "::1", ""}
_JSON, _PROBLEM = "application/json", "application/problem+json"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: always on this machine itself, on others' way in only when told so."""

    port: int
    listen: str = LOOPBACK
    certificate: Path | None = None
    key: Path | None = None

    @property
    def hosts(self) -> list[str]:
        """Return the addresses to listen on."""
        wished = ipaddress.ip_address(self.listen)
        if wished.is_unspecified or self.listen == LOOPBACK:
            return [self.listen]
        return [LOOPBACK, self.listen]


@dataclass(slots=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class Server:
    """Answers until it is stopped; what keeps it from listening is tried again, and said."""

    def __init__(
        self,
        address: Address,
        latest: Latest,
        intake: Intake,
        healthy: Callable[[], str],
    ) -> None:
        """Name everything; ``start`` listens.

        Args:
            address: Where.
            latest: What is told.
            intake: Takes what is sent.
            healthy: Returns what is wrong, empty when nothing is.
        """
        self._address = address
        self._latest = latest
        self._intake = intake
        self._healthy = healthy
        self._reasons = exposition.Reasons()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.problem = ""
        """Why nobody can ask; empty while it listens."""
        self.listening = threading.Event()

    def start(self) -> None:
        """Listen, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End."""
        if self._loop is not None and self._ended is not None:
            with contextlib.suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout_s)
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        while not self._ended.is_set():
            try:
                server = await asyncio.start_server(
                    self._accept, self._address.hosts, self._address.port, ssl=self._tls()
                )
            except (OSError, ValueError) as error:
                self.problem = (
                    f"Nobody can ask for it at port {self._address.port}, and no agent can report: "
                    f"{getattr(error, 'strerror', None) or error}."
                )
                logger.warning("%s It is tried again every %g s.", self.problem, _RETRY_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _RETRY_S)
                continue
            self.problem = ""
            self.listening.set()
            await self._ended.wait()
            server.close()
            return  # what is still being answered is cancelled with the loop

    def _tls(self) -> ssl.SSLContext | None:
        if self._address.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._address.certificate, self._address.key)
        return context

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: one that asyncio makes here is logged as an error when it is cancelled.
        task = asyncio.get_running_loop().create_task(self._connected(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._tasks) <= _CONNECTIONS_AT_MOST:
                await self._converse(reader, writer)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            logger.debug("A connection ended: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT_BYTES)
        head_s = _REQUEST_S
        while True:
            bodyless = False
            try:
                async with asyncio.timeout(head_s):
                    request = await _head(connection, reader)
                if request is None:
                    return
                bodyless = request.method == "HEAD"
                answer = await self._answered(connection, reader, writer, request)
            except h11.RemoteProtocolError as error:
                answer = problem(error.error_status_hint, "No HTTP we know", str(error))
            await _send(connection, writer, answer, bodyless=bodyless)
            if connection.their_state in {h11.SEND_BODY, h11.ERROR}:
                await _drained(reader)
            if connection.their_state is not h11.DONE or connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()
            head_s = _IDLE_S

    async def _answered(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: _Request,
    ) -> "Answer | _Text":
        """Return the answer to a request of which the head has come."""
        if request.path == "/v1/samples" and request.method == "POST":
            async with asyncio.timeout(_REQUEST_S):
                return await self._posted(connection, reader, writer, request)
        peer = writer.get_extra_info("peername")
        return self._got(request, str(peer[0]) if peer else "")

    async def _posted(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: _Request,
    ) -> Answer:
        token = self._intake.holder(request.headers.get("authorization", ""))
        if token is None:
            return problem(
                401, "No such token",
                "The token was never made here, or has ended. Make one: mlops hardware token NAME",
            )  # fmt: skip
        coding = request.headers.get("content-encoding", "")
        if coding not in {"", "identity", "deflate"}:
            return problem(415, "Unknown encoding", "Send JSON, plain or deflated.")
        if int(request.headers.get("content-length", "0")) > BODY_LIMIT_BYTES:
            return _too_large()
        if connection.they_are_waiting_for_100_continue:
            go_on = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
            writer.write(go_on or b"")
        body = await _body(connection, reader)
        if body is None:
            return _too_large()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._worker, lambda: self._intake.take(token, body, compressed=coding == "deflate")
        )

    def _got(self, request: _Request, peer: str) -> "Answer | _Text":
        if request.path not in {"/metrics", "/healthz"}:
            return problem(404, "No such page", "There are /metrics, /healthz and /v1/samples.")
        if request.method != "GET":
            return problem(405, "Not that way", f"{request.path} is read with GET.")
        # A page in a browser can reach loopback by a name of its own (DNS rebinding).
        name = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if not _is_loopback(peer) or name not in _LOCAL_NAMES:
            return problem(
                403, "From this machine alone",
                f"{request.path} is told on this machine, to http://{LOOPBACK}. From another one "
                "use a tunnel, e.g. ssh -L.",
            )  # fmt: skip
        if request.path == "/healthz":
            wrong = self._healthy()
            return Answer(503 if wrong else 200, {"status": wrong or "ok"})
        open_metrics = "application/openmetrics-text" in request.headers.get("accept", "")
        found = exposition.families(self._latest.hosts(), self._reasons)
        said = exposition.text(found, open_metrics=open_metrics)
        return _Text(said, exposition.OPEN_METRICS if open_metrics else exposition.TEXT)


@dataclass(frozen=True, slots=True)
class _Text:
    said: str
    kind: str


def _too_large() -> Answer:
    return problem(
        413, "Too large", f"A batch has at most {BODY_LIMIT_BYTES >> 20} MB. Send fewer samples."
    )


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(1 << 16))
    return event


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> _Request | None:
    event = await _next(connection, reader)
    if not isinstance(event, h11.Request):
        return None
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
    path = event.target.decode("ascii", "replace").partition("?")[0]
    return _Request(event.method.decode("ascii"), path, headers)


async def _body(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes | None:
    """Return the body, None when it is larger than a batch may be."""
    parts: list[bytes] = []
    size = 0
    while not isinstance(event := await _next(connection, reader), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            raise h11.RemoteProtocolError("the body ended too early")
        size += len(event.data)
        if size > BODY_LIMIT_BYTES:
            return None
        parts.append(bytes(event.data))
    return b"".join(parts)


async def _send(
    connection: h11.Connection,
    writer: asyncio.StreamWriter,
    answer: Answer | _Text,
    *,
    bodyless: bool,
) -> None:
    if isinstance(answer, _Text):
        status, kind, body = 200, answer.kind, answer.said.encode()
    else:
        status = answer.status
        kind = _JSON if status == 200 else _PROBLEM
        body = orjson.dumps(answer.document)
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    _finish(connection)
    if connection.their_state is not h11.DONE:  # its rest would be taken for the next request
        headers.append(("Connection", "close"))
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    reason = HTTPStatus(status).phrase.encode()
    head = h11.Response(status_code=status, headers=headers, reason=reason)
    out = connection.send(head) or b""
    if not bodyless:
        out += connection.send(h11.Data(data=body)) or b""
    out += connection.send(h11.EndOfMessage()) or b""
    writer.write(out)
    await asyncio.wait_for(writer.drain(), _REQUEST_S)


def _finish(connection: h11.Connection) -> None:
    """Read a request to its end when all of it has come."""
    with contextlib.suppress(h11.ProtocolError):
        while connection.their_state is h11.SEND_BODY:
            if connection.next_event() is h11.NEED_DATA:
                return


async def _drained(reader: asyncio.StreamReader) -> None:
    """Let the other end finish: closed while it still sends, it would not see our answer."""
    left = 2 * BODY_LIMIT_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while left > 0 and (some := await reader.read(1 << 16)):
                left -= len(some)
