"""Bounds of one connection: what holds one open, what fills memory, what is no header."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from services.gateway import connection
from services.gateway.connection import (
    BODY_BYTES,
    BODY_S,
    BYTES_PER_S,
    HEAD_BYTES,
    HEAD_S,
    WRITE_S,
    BoundedConnection,
)
from tests.live import eventually

KEEP_ALIVE_S = 75
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@dataclass
class Listening:
    """Connections as the gateway has them, over an application of one line."""

    loop: asyncio.AbstractEventLoop
    port: int = 0
    state: ServerState = field(default_factory=ServerState)
    seen: list[dict[bytes, bytes]] = field(default_factory=list)
    answer: bytes = b"ok"
    reads: bool = True
    """Whether the application reads bodies before it answers."""
    may: threading.Event = field(default_factory=threading.Event)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(dict(scope["headers"]))
        while self.reads and (await receive()).get("more_body"):
            pass
        while not self.may.is_set():
            await asyncio.sleep(0.01)
        size = str(len(self.answer)).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]}
        )
        await send({"type": "http.response.body", "body": self.answer})

    def within(self, call: Callable[[], Any]) -> Any:
        """Call something in the loop's thread."""
        done: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(call()))
        return done.result(30)

    def sweep(self, later_s: float) -> None:
        """Look at all connections as if so much time had passed."""
        now = time.monotonic() + later_s
        self.within(lambda: connection.sweep(self.state.connections, now))

    def one(self) -> BoundedConnection:
        """Return the connection, when it is made."""
        eventually(lambda: len(self.state.connections) == 1)
        (found,) = self.state.connections
        assert isinstance(found, BoundedConnection)
        return found

    @contextlib.contextmanager
    def connected(self, room: int | None = None) -> Iterator[socket.socket]:
        """Connect; ``room``: bytes that the system takes for who reads nothing."""
        with socket.socket() as made:
            if room is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            made.settimeout(30)
            made.connect(("127.0.0.1", self.port))
            yield made


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening(uvloop.new_event_loop())
    made.may.set()
    config = uvicorn.Config(
        made.app, http=BoundedConnection, ws="none", lifespan="off", log_config=None,
        access_log=False, timeout_keep_alive=KEEP_ALIVE_S, interface="asgi3", proxy_headers=False,
    )  # fmt: skip
    config.load()

    async def listen() -> asyncio.Server:
        return await made.loop.create_server(
            lambda: BoundedConnection(config, made.state, {}), "127.0.0.1", 0
        )

    thread = threading.Thread(target=made.loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), made.loop).result(30)
    made.port = server.sockets[0].getsockname()[1]

    async def end() -> None:
        made.may.set()
        server.close()
        for one in tuple(made.state.connections):
            one.transport.abort()
        await asyncio.gather(*made.state.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    yield made
    asyncio.run_coroutine_threadsafe(end(), made.loop).result(30)
    made.loop.call_soon_threadsafe(made.loop.stop)
    thread.join()
    made.loop.close()


def rest(one: socket.socket) -> bytes:
    """Read until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := one.recv(65536):
            found += data
    return found


def gone(listening: Listening) -> bool:
    return not listening.state.connections


@pytest.mark.parametrize("behind", [b"", b"\r\n"])
def test_a_connection_without_a_request_ends_whatever_bytes_came(
    listening: Listening, behind: bytes
):
    with listening.connected() as one:
        one.sendall(GET)
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        one.sendall(behind)
        eventually(lambda: not behind or listening.one().received > 0)
        listening.sweep(KEEP_ALIVE_S - 1)
        assert not gone(listening)
        listening.sweep(KEEP_ALIVE_S + 1)
        assert rest(one).count(b"HTTP/1.1") == 0
        eventually(lambda: gone(listening))


def test_a_body_that_comes_behind_its_answer_does_not_hold_the_connection(listening: Listening):
    listening.reads = False
    with listening.connected() as one:
        one.sendall(POST + b"Content-Length: 4\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        one.sendall(b"late")
        eventually(lambda: listening.one().reading_since is None)
        listening.sweep(KEEP_ALIVE_S + 1)
        eventually(lambda: gone(listening))


def test_a_body_without_an_end_is_cut_whatever_its_pace(listening: Listening):
    longest = BODY_S + BODY_BYTES / BYTES_PER_S
    with listening.connected() as one:
        one.sendall(POST + b"Content-Length: 1000000000000\r\n\r\n")
        eventually(lambda: bool(listening.seen))
        made = listening.one()
        listening.within(lambda: setattr(made, "received", 100 * BODY_BYTES))
        listening.sweep(longest - 1)
        assert not gone(listening)
        listening.sweep(longest + 1)
        assert rest(one).startswith(b"HTTP/1.1 408 ")


def test_an_answer_may_be_large_and_is_given_up_when_nobody_takes_it(listening: Listening):
    listening.answer = b"x" * (8 << 20)
    with listening.connected(room=4096) as one:
        one.sendall(GET)
        eventually(lambda: listening.one().transport.get_write_buffer_size() > 1 << 20)
        listening.sweep(0)
        one.settimeout(0.2)
        taken = 0
        while taken < 3 << 20:  # it is taken, slowly: 30 s are over, three times
            taken += len(one.recv(65536))
        listening.sweep(WRITE_S * 3)
        assert not gone(listening)
        listening.sweep(KEEP_ALIVE_S * 10)
        eventually(lambda: gone(listening))


def test_an_answer_that_nobody_takes_does_not_outlive_its_connection(listening: Listening):
    """Closing waits until all is sent: for a client that reads nothing, for ever."""
    listening.answer = b"x" * (8 << 20)
    with listening.connected(room=4096) as one:
        one.sendall(POST + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: listening.one().transport.is_closing())
        listening.sweep(0)
        listening.sweep(WRITE_S - 1)
        assert not gone(listening)
        listening.sweep(WRITE_S + 1)
        eventually(lambda: gone(listening))


def test_headers_behind_a_body_are_no_headers(listening: Listening):
    chunked = b"X-Api-Key: mine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    with listening.connected() as one:
        one.sendall(POST + chunked + b"X-Api-Key: another\r\nX-New: 1\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")
    (seen,) = listening.seen
    assert seen[b"x-api-key"] == b"mine"
    assert b"x-new" not in seen


@pytest.mark.parametrize(
    "endless", [b"0\r\nX-A: ", b"0\r\n" + b"X-A: b\r\n" * 200, b"5;", b"5;a=", b"0" * 15]
)
def test_what_is_beside_a_body_has_an_end(listening: Listening, endless: bytes):
    with listening.connected() as one:
        one.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + endless)
        eventually(lambda: bool(listening.seen))
        more = b"X-A: b\r\n" if endless.endswith(b"\r\n") else b"a"
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                one.sendall(more * (8192 // len(more)))
        assert rest(one)[:10] in (b"HTTP/1.1 4", b"")
        eventually(lambda: gone(listening))


def test_a_large_body_is_no_large_head(listening: Listening):
    body = b"x" * (4 * HEAD_BYTES)
    with listening.connected() as one:
        one.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_large_head_is_refused_also_when_it_comes_at_once(listening: Listening):
    with listening.connected() as one:
        head = GET[:-2] + b"X-A: " + b"a" * (HEAD_BYTES + 1) + b"\r\n\r\n"
        made = listening.one()
        listening.within(lambda: made.data_received(head))
        assert rest(one).startswith(b"HTTP/1.1 431 ")


def test_who_sends_the_next_request_early_gets_both_answers(listening: Listening):
    """Its clock begins when it can be read: the time is the first one's, not the client's."""
    listening.may.clear()
    with listening.connected() as one:
        one.sendall(GET + POST + b"Content-Length: 2\r\n\r\n{")
        eventually(lambda: bool(listening.seen))
        listening.sweep(10 * HEAD_S)
        listening.may.set()
        one.sendall(b"}")
        found = b""
        while found.count(b"HTTP/1.1 200 ") < 2:
            data = one.recv(100)
            assert data, found
            found += data
        assert b" 408 " not in found


def test_half_a_request_behind_another_spoils_no_answer(listening: Listening):
    listening.may.clear()
    with listening.connected() as one:
        one.sendall(GET + b"GET / HTTP/1.1\r\n")
        eventually(lambda: bool(listening.seen))
        listening.sweep(10 * HEAD_S)
        listening.may.set()
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        listening.sweep(20 * HEAD_S)
        assert rest(one).startswith(b"HTTP/1.1 408 ")


def test_who_is_idle_longest_makes_room_for_who_comes(listening: Listening, monkeypatch):
    monkeypatch.setattr(connection, "MOST", 2)
    with listening.connected() as first, listening.connected() as second:
        for one in (first, second, first):
            one.sendall(GET)
            assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        with listening.connected() as third:
            third.sendall(GET)
            assert third.recv(100).startswith(b"HTTP/1.1 200 ")
            assert rest(second) == b""
            listening.may.clear()
            for one in (first, third):
                one.sendall(GET)
            eventually(lambda: len(listening.seen) == 6)
            with listening.connected() as fourth:  # nobody is idle: it must come again
                assert rest(fourth) == b""
            listening.may.set()
            for one in (first, third):
                assert one.recv(100).startswith(b"HTTP/1.1 200 ")


def test_who_hangs_up_is_noticed_also_with_another_request_behind(listening: Listening):
    listening.may.clear()
    with listening.connected() as one:
        one.sendall(GET + GET)
        eventually(lambda: bool(listening.seen))
        answering = listening.one()._running
    eventually(lambda: gone(listening))
    assert answering is not None
    assert answering.disconnected
    listening.may.set()
    eventually(lambda: not listening.state.tasks)
    assert len(listening.seen) == 1
