"""The wire's client against a server that the test plays itself, frame by frame."""

import asyncio
import json
import struct
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import EngineProtocolError
from services.serving import frames as framing
from services.serving.frames import Frames, Tensor
from services.serving.routes import Replica
from services.serving.wire import AnswerError, BrokenError, Client, Pool

SIZES = struct.Struct("<II")
X = Tensor("x", "FP32", (1, 2), struct.pack("<2f", 1.0, 2.0))
Talk = Callable[["Server"], Awaitable[None]]


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run in a thread of its own: browser tests keep a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


class Server:
    """One connection's other side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> tuple[dict[str, Any], bytes]:
        header_size, body_size = SIZES.unpack(await self.reader.readexactly(8))
        header = json.loads(await self.reader.readexactly(header_size))
        return header, await self.reader.readexactly(body_size)

    def send(self, said: dict[str, Any], body: bytes = b"") -> None:
        header = json.dumps(said).encode()
        self.writer.write(SIZES.pack(len(header), len(body)) + header + body)

    def answer(self, number: int, *values: float) -> None:
        body = struct.pack(f"<{len(values)}f", *values)
        told = [{"name": "y", "datatype": "FP32", "shape": [len(values)], "bytes": len(body)}]
        timing = {"queue_ms": 1.5, "model_ms": 2.5, "share_ms": 0.5}
        self.send({"id": number, "ok": True, "outputs": told, "timing": timing, "last": True}, body)


async def with_server(
    talks: list[Talk], work: Callable[[Client], Awaitable[None]], token: str = ""
) -> None:
    """Play each connection with the next of the talks; then see that all of them ended well."""
    left = iter(talks)
    done: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await next(left)(Server(reader, writer))
        finally:
            writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        server = await asyncio.start_unix_server(talk, path)
        client = Client(Replica("r", f"unix:{path}", token))
        try:
            await asyncio.wait_for(work(client), 20)
        finally:
            client.close()
            server.close()
            await asyncio.gather(*done)
            await server.wait_closed()


def played(*talks: Talk, token: str = "") -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    def use(work: Callable[[Client], Awaitable[None]]) -> None:
        run(with_server(list(talks), work, token))

    return use


def test_a_request_and_its_answer_are_what_the_contract_says():
    seen: list[Any] = []

    async def talk(server: Server) -> None:
        seen.append(await server.read())
        server.answer(seen[0][0]["id"], 3.0)

    @played(talk)
    async def _(client: Client) -> None:
        found = await client.ask([X], {"seed": 1}, 500.0)
        assert found.outputs == (Tensor("y", "FP32", (1,), struct.pack("<f", 3.0)),)
        assert (found.queue_ms, found.model_ms, found.share_ms) == (1.5, 2.5, 0.5)
        assert client.in_flight == 0

    header, body = seen[0]
    assert body == X.data
    assert header == {
        "id": 1, "op": "infer", "parameters": {"seed": 1}, "deadline_ms": 500.0,
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "bytes": 8}],
    }  # fmt: skip


def test_answers_in_any_order_reach_who_asked():
    async def talk(server: Server) -> None:
        numbers = [(await server.read())[0]["id"] for _ in range(3)]
        for number in reversed(numbers):
            server.answer(number, float(number))

    @played(talk)
    async def _(client: Client) -> None:
        found = await asyncio.gather(*(client.ask([X]) for _ in range(3)))
        assert [struct.unpack("<f", one.outputs[0].data)[0] for one in found] == [1.0, 2.0, 3.0]


def test_an_error_has_its_kind_and_field():
    async def talk(server: Server) -> None:
        number = (await server.read())[0]["id"]
        error = {"kind": "input", "message": "x is odd.", "field": "x"}
        server.send({"id": number, "ok": False, "error": error, "last": True})

    @played(talk)
    async def _(client: Client) -> None:
        with pytest.raises(AnswerError, match=r"x is odd\.") as refused:
            await client.ask([X])
        assert (refused.value.code, refused.value.field) == ("input", "x")


def test_a_connection_that_breaks_says_that_the_server_may_have_seen_it_and_is_made_anew():
    async def breaks(server: Server) -> None:
        await server.read()

    async def answers(server: Server) -> None:
        server.answer((await server.read())[0]["id"], 1.0)

    @played(breaks, answers)
    async def _(client: Client) -> None:
        with pytest.raises(BrokenError) as broken:
            await client.ask([X])
        assert broken.value.sent
        assert len((await client.ask([X])).outputs) == 1


def test_a_connection_that_is_just_closing_is_made_anew():
    async def answers(server: Server) -> None:
        server.answer((await server.read())[0]["id"], 1.0)

    async def answers_and_waits(server: Server) -> None:
        await answers(server)
        await server.reader.read()

    @played(answers_and_waits, answers)
    async def _(client: Client) -> None:
        await client.ask([X])
        assert client._connection is not None
        assert client._connection.transport is not None
        client._connection.transport.close()  # that it is lost is told later
        with pytest.raises(BrokenError) as broken:
            await client.ask([X])
        assert not broken.value.sent
        assert len((await client.ask([X])).outputs) == 1


def test_nobody_there_was_sent_nothing(tmp_path: Path):
    async def work() -> None:
        client = Client(Replica("r", f"unix:{tmp_path / 'none'}"))
        with pytest.raises(BrokenError) as broken:
            await client.ask([X])
        assert not broken.value.sent
        pool = Pool()
        pool._clients[client.replica] = client
        assert pool.choose([client.replica]) is None  # left alone for a moment
        await asyncio.sleep(0.05)
        assert pool.choose([client.replica]) is client
        for address in ("tcp:127.0.0.1:1", "tcp:nothing", "what:x"):
            with pytest.raises(BrokenError):
                await Client(Replica("r", address)).ask([X])

    run(work())


def test_who_gives_up_has_the_request_cancelled():
    got: list[dict[str, Any]] = []

    async def talk(server: Server) -> None:
        got.append((await server.read())[0])
        got.append((await server.read())[0])
        server.answer(got[0]["id"], 1.0)  # too late: nobody takes it
        server.answer((await server.read())[0]["id"], 2.0)

    @played(talk)
    async def _(client: Client) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.ask([X]), 0.1)
        found = await client.ask([X])
        assert struct.unpack("<f", found.outputs[0].data) == (2.0,)
        assert client.in_flight == 0

    assert got[1] == {"id": 2, "op": "cancel", "of": 1}


def test_a_stream_comes_piece_by_piece():
    async def talk(server: Server) -> None:
        number = (await server.read())[0]["id"]
        for text in ("a", "b"):
            server.send({"id": number, "ok": True, "text": text, "last": False})
        usage = {"prompt": 3, "completion": 2}
        server.send({"id": number, "ok": True, "outputs": [], "finish": "stop", "usage": usage,
                     "last": True})  # fmt: skip

    @played(talk)
    async def _(client: Client) -> None:
        found = [piece async for piece in client.stream([X])]
        assert [one.text for one in found] == ["a", "b", ""]
        assert (found[-1].finish, found[-1].prompt_tokens, found[-1].completion_tokens) == (
            "stop", 3, 2,
        )  # fmt: skip
        assert client.in_flight == 0


def test_a_stream_that_is_closed_is_cancelled():
    got: list[dict[str, Any]] = []

    async def talk(server: Server) -> None:
        number = (await server.read())[0]["id"]
        server.send({"id": number, "ok": True, "text": "a", "last": False})
        got.append((await server.read())[0])

    @played(talk)
    async def _(client: Client) -> None:
        pieces = client.stream([X])
        assert (await anext(pieces)).text == "a"
        await pieces.aclose()
        assert client.in_flight == 0
        await asyncio.sleep(0.05)

    assert got == [{"id": 2, "op": "cancel", "of": 1}]


def test_a_stream_that_breaks_says_so():
    async def talk(server: Server) -> None:
        number = (await server.read())[0]["id"]
        server.send({"id": number, "ok": True, "text": "a", "last": False})

    @played(talk)
    async def _(client: Client) -> None:
        pieces = client.stream([X])
        assert (await anext(pieces)).text == "a"
        with pytest.raises(BrokenError):
            await anext(pieces)


def test_a_token_is_shown_before_anything_else():
    async def talk(server: Server) -> None:
        hello = (await server.read())[0]
        assert (hello["op"], hello["token"]) == ("hello", "secret")
        server.send({"id": hello["id"], "ok": True, "state": "ready", "last": True})
        server.answer((await server.read())[0]["id"], 1.0)

    @played(talk, token="secret")
    async def _(client: Client) -> None:
        assert len((await client.ask([X])).outputs) == 1


def test_a_token_that_is_refused_is_no_connection():
    async def talk(server: Server) -> None:
        await server.read()

    @played(talk, token="wrong")
    async def _(client: Client) -> None:
        with pytest.raises(BrokenError) as broken:
            await client.ask([X])
        assert not broken.value.sent  # nothing was asked: it is no lost request


@pytest.mark.parametrize(
    "sent",
    [
        SIZES.pack(framing.MAX_HEADER + 1, 0),
        SIZES.pack(2, framing.MAX_BODY + 1),
        SIZES.pack(3, 0) + b"{x}",
        SIZES.pack(2, 0) + b"[]",
        SIZES.pack(1, 0) + b"1",
    ],
)
def test_what_is_no_frame_ends_the_connection(sent: bytes):
    async def talk(server: Server) -> None:
        await server.read()
        server.writer.write(sent)
        await server.reader.read()  # until it is closed

    @played(talk)
    async def _(client: Client) -> None:
        with pytest.raises(BrokenError):
            await client.ask([X])


@pytest.mark.parametrize(
    "outputs",
    [
        [{"name": "y", "datatype": "FP32", "shape": [1], "bytes": 8}],
        [{"name": "y", "datatype": "FP32", "shape": [1]}],
        [{"name": "y", "datatype": "FP32", "shape": 3, "bytes": 4}],
        [7],
        {"y": 1},
    ],
)
def test_an_answer_whose_header_is_wrong_cannot_be_read(outputs: Any):
    async def talk(server: Server) -> None:
        number = (await server.read())[0]["id"]
        server.send({"id": number, "ok": True, "outputs": outputs, "last": True}, b"abcd")

    @played(talk)
    async def _(client: Client) -> None:
        with pytest.raises(EngineProtocolError):
            await client.ask([X])


def test_a_request_larger_than_a_frame_is_not_sent():
    with pytest.raises(EngineProtocolError):
        framing.frame({}, [bytes(framing.MAX_BODY + 1)])
    with pytest.raises(EngineProtocolError):
        framing.frame({"a": "x" * (framing.MAX_HEADER + 1)})


@given(
    st.lists(st.tuples(st.fixed_dictionaries({"id": st.integers(0, 9)}), st.binary())),
    st.integers(1, 20),
)
def test_frames_are_found_however_they_are_cut(frames: list[tuple[dict, bytes]], size: int):
    data = b"".join(framing.frame(header, [body]) for header, body in frames)
    found: list[tuple[dict, bytes]] = []
    cutter = Frames(lambda header, body: found.append((header, body)))
    for at in range(0, len(data), size):
        cutter.feed(data[at : at + size])
    assert found == frames


def test_the_pool_asks_who_has_least_to_do_and_lets_go_of_the_rest():
    async def work() -> None:
        pool = Pool()
        one, two = Replica("1", "unix:/a"), Replica("2", "unix:/b")
        pool.of(one).in_flight = 3
        assert pool.choose([one, two]) is pool.of(two)
        assert pool.choose([one, two], avoid=pool.of(two)) is pool.of(one)
        assert pool.choose([two], avoid=pool.of(two)) is pool.of(two)
        assert pool.choose([]) is None
        pool.keep([two])
        assert set(pool._clients) == {one, two}  # the first has requests under way
        pool.of(one).in_flight = 0
        pool.keep([two])
        assert set(pool._clients) == {two}
        pool.close()

    run(work())
