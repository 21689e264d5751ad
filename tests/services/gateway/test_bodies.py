"""Bodies as they come in: what is counted of them, whose they are, and what is let go at once."""

import asyncio
import gzip
import io
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.gateway import limits, server
from services.gateway.app import App, allowed_hosts
from services.gateway.keys import KeyRing
from services.gateway.logs import AccessLog
from services.gateway.recording import Recorder
from services.home import Home
from services.serving.models import BundleInfo, Field
from services.serving.routes import Route, Routes, VersionRoute
from tests.services.gateway.test_app import Sink
from tests.services.gateway.test_keys import made

KIB, MIB = 1 << 10, 1 << 20
NO_JSON = b"x"
Headers = list[tuple[bytes, bytes]]


class Upload:
    """A request whose body the test sends piece by piece; uvicorn's ``receive`` waits likewise."""

    def __init__(self, app: App, key: str, *headers: tuple[bytes, bytes]) -> None:
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        scope = {
            "type": "http", "method": "POST", "raw_path": b"/predict/lab/rows",
            "headers": [(b"host", b"localhost"), (b"x-api-key", key.encode()), *headers],
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._coming.get, self._send))

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    def say(self, piece: bytes, *, more: bool = True) -> None:
        self._coming.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    def hang_up(self) -> None:
        self._coming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


class Site:
    """A gateway in this process, two keys, and a model that nobody comes to ask."""

    def __init__(self, home: Home) -> None:
        self.one, first = made()
        self.other, second = made()
        keys = KeyRing(lambda: (first, second))
        keys.look()
        self.gateway = server.build(home, keys, Recorder(Sink()))
        info = BundleInfo("lab", "rows", 1, "rows", "onnx", (Field("x", "FP32", (-1, 4)),), ())
        version = VersionRoute(1, info, "cpu", "", ())
        route = Route("lab.rows", "lab", "rows", 1, {1: 1.0}, {1: version})
        self.gateway.follower.routes = Routes(1, {"lab.rows": route})
        log = AccessLog(io.StringIO())
        self.app = App(self.gateway, allowed_hosts("127.0.0.1"), log)
        self.uploads: list[Upload] = []

    def begin(self, key: str, *headers: tuple[bytes, bytes]) -> Upload:
        self.uploads.append(Upload(self.app, key, *headers))
        return self.uploads[-1]

    @property
    def held(self) -> int:
        return self.gateway.limits.held


def run(home: Home, work: Callable[[Site], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            site = Site(home)
            await work(site)
            for one in site.uploads:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in site.uploads), return_exceptions=True)
            assert site.held == 0
            assert not site.gateway.limits._held

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, within()).result()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.create()
    return made


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"%d" % (16 * MIB))]])
def test_slow_uploads_hold_what_came_of_them(home: Home, headers: Headers):
    async def work(site: Site) -> None:
        slow = [site.begin(site.one, *headers) for _ in range(100)]
        for one in slow:
            one.say(bytes(KIB))
        await asyncio.sleep(0.05)
        assert [one.status for one in slow] == [None] * 100
        assert site.held == 100 * KIB
        other = site.begin(site.other)
        other.say(NO_JSON, more=False)
        await other.task
        assert other.status == 400

    run(home, work)


def test_a_key_that_sends_all_it_can_shuts_nobody_out(home: Home, monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 8 * MIB)

    async def work(site: Site) -> None:
        many = [site.begin(site.one) for _ in range(40)]
        for _ in range(16):
            for one in many:
                one.say(bytes(64 * KIB))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert {one.status for one in many} == {None, 429}
        assert 0 < site.held <= 4 * MIB
        other = site.begin(site.other, (b"content-length", b"%d" % MIB))
        other.say(NO_JSON * MIB, more=False)
        await other.task
        assert other.status == 400

    run(home, work)


def test_what_has_no_room_is_refused_before_it_is_sent(home: Home, monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 8 * MIB)

    async def work(site: Site) -> None:
        first = site.begin(site.one)
        first.say(bytes(3 * MIB))
        await asyncio.sleep(0.01)
        second = site.begin(site.one, (b"content-length", b"%d" % (2 * MIB)))
        await asyncio.sleep(0.01)
        assert (first.status, second.status) == (None, 429)
        assert second.headers[b"connection"] == b"close"
        assert b"retry-after" in second.headers
        assert site.held == 3 * MIB

    run(home, work)


def test_what_is_refused_halfway_holds_nothing_while_the_rest_comes(home: Home, monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 2 * MIB)

    async def work(site: Site) -> None:
        one = site.begin(site.one)
        one.say(bytes(MIB))
        await asyncio.sleep(0.01)
        assert site.held == MIB
        one.say(bytes(1))
        await asyncio.sleep(0.01)
        assert (one.status, site.held) == (429, 0)
        assert not one.task.done()  # the rest is read: who sends it reads no answer before
        one.say(b"", more=False)
        await one.task
        assert one.sent[-1].get("more_body", False) is False

    run(home, work)


@pytest.mark.parametrize("pieces", [1, 3])
def test_what_came_whole_and_is_too_large_waits_for_nothing_more(home: Home, pieces: int):
    bomb = gzip.compress(bytes(40 * MIB))
    step = len(bomb) // pieces + 1

    async def work(site: Site) -> None:
        one = site.begin(site.one, (b"content-encoding", b"gzip"))
        for at in range(0, len(bomb), step):
            one.say(bomb[at : at + step], more=at + step < len(bomb))
        began = time.monotonic()
        await one.task
        assert time.monotonic() - began < 3
        assert (one.status, site.held) == (413, 0)
        assert b"connection" not in one.headers  # the next request may come on it

    run(home, work)


def test_a_last_piece_that_is_too_much_waits_for_nothing_more(home: Home):
    async def work(site: Site) -> None:
        one = site.begin(site.one)
        one.say(bytes(16 * MIB))
        one.say(b"x", more=False)
        began = time.monotonic()
        await one.task
        assert time.monotonic() - began < 3
        assert (one.status, site.held) == (413, 0)

    run(home, work)


def test_what_is_packed_is_counted_unpacked_once_it_is(home: Home):
    async def work(site: Site) -> None:
        one = site.begin(site.one, (b"content-encoding", b"gzip"))
        body = b'{"columns": {"x": [[1, 2, 3, 4]]}}' + b" " * (100 * KIB)
        one.say(gzip.compress(body), more=False)
        await asyncio.sleep(0.05)
        assert site.held == len(body)  # it waits for a model server

    run(home, work)


def test_who_hangs_up_halfway_holds_nothing(home: Home):
    async def work(site: Site) -> None:
        one = site.begin(site.one)
        one.say(bytes(MIB))
        await asyncio.sleep(0.01)
        assert site.held == MIB
        one.hang_up()
        await one.task
        assert (one.sent, site.held) == ([], 0)

    run(home, work)
