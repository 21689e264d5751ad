"""Asking model servers: connections that are kept to each of them, many requests on one."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError
from services.serving.frames import Answer, Frames, Piece, Tensor, frame, piece, tensors
from services.serving.routes import Replica
from services.serving.turns import PER_REPLICA, Turns

CONNECT_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.25
"""A server that cannot be reached is left alone so long, doubling."""
_LOST_PAUSE_S = 0.03
_AVOIDED, _FULL = 1 << 30, 1 << 31
"""Loads that rank a server behind those with less."""


class Asking(Protocol):
    """What a client waits with: ``Connection`` calls it with each frame of its request."""

    def frame(self, header: dict[str, Any], body: bytes) -> None:
        """Take a frame."""

    def broken(self, error: EngineUnreachableError) -> None:
        """Take that no frame will come."""


class BrokenError(EngineUnreachableError):
    """The connection ended, or none could be made; ``sent``: the server may have seen it."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message, "Ask another replica.")
        self.sent = sent


class AnswerError(EngineRefusedError):
    """The model server said no; ``code`` is input, busy, deadline or model."""

    def __init__(self, message: str, kind: str, field_name: str | None = None) -> None:
        super().__init__(message, code=kind)
        self.field = field_name


class Connection(asyncio.Protocol):
    """One connection to a model server."""

    def __init__(self) -> None:
        self.waiting: dict[int, Asking] = {}
        self.lost = False
        self.transport: asyncio.Transport | None = None
        self._frames = Frames(self._frame)
        self._ids = itertools.count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Hand frames on; what is no frame ends the connection."""
        try:
            self._frames.feed(data)
        except EngineProtocolError as error:
            self._end(error.message)

    def _frame(self, header: dict[str, Any], body: bytes) -> None:
        asking = self.waiting.get(header["id"])
        if asking is None:  # of a request that was given up
            return
        if header.get("last", True):
            del self.waiting[header["id"]]
        asking.frame(header, body)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait."""
        self._end(str(error) if error else "the model server closed the connection")

    def _end(self, said: str) -> None:
        self.lost = True
        if self.transport is not None:
            self.transport.abort()
        waiting, self.waiting = self.waiting, {}
        for asking in waiting.values():
            asking.broken(BrokenError(f"The model server was lost: {said}.", sent=True))

    def send(self, header: dict[str, Any], parts: Sequence[bytes], asking: Asking | None) -> int:
        """Send a request; ``asking`` gets its frames. Return its id.

        Raises:
            BrokenError: The connection is lost; nothing was sent.
        """
        header["id"] = number = next(self._ids)
        data = frame(header, parts)
        if self.lost or self.transport is None or self.transport.is_closing():
            self.lost = True  # it may be told only in the loop's next turn
            raise BrokenError("The connection to the model server is closed.", sent=False)
        if asking is not None:
            self.waiting[number] = asking
        self.transport.write(data)
        return number

    def give_up(self, number: int) -> None:
        """Tell the server that nobody waits for a request any more."""
        if self.waiting.pop(number, None) is not None:
            with contextlib.suppress(BrokenError):
                self.send({"op": "cancel", "of": number}, (), None)

    def close(self) -> None:
        """End it."""
        self._end("the connection was closed here")


class _One:
    """Waits for one frame."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[tuple[dict[str, Any], bytes]]") -> None:
        self.future = future

    def frame(self, header: dict[str, Any], body: bytes) -> None:
        if not self.future.done():
            self.future.set_result((header, body))

    def broken(self, error: EngineUnreachableError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Many:
    """Waits for the frames of a stream."""

    __slots__ = ("queue",)

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any] | EngineUnreachableError] = asyncio.Queue()

    def frame(self, header: dict[str, Any], _body: bytes) -> None:
        self.queue.put_nowait(header)

    def broken(self, error: EngineUnreachableError) -> None:
        self.queue.put_nowait(error)


class Client:
    """Asks one replica; its connection is made when it is needed, and anew when it was lost."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.in_flight = 0
        self.turns = Turns(lambda: PER_REPLICA - self.in_flight, self._down_s)
        """Who waits for room here; where nobody counts places, nobody does."""
        self.down_until = 0.0
        """Of the monotonic clock: it could not be reached a moment ago."""
        self._pause_s = _FIRST_PAUSE_S
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def ask(
        self,
        inputs: Sequence[Tensor] = (),
        parameters: Mapping[str, Any] | None = None,
        deadline_ms: float | None = None,
        op: str = "infer",
    ) -> Answer:
        """Ask and wait for the whole answer.

        Raises:
            BrokenError: The connection broke or none could be made.
            AnswerError: The server refused.
            EngineProtocolError: Its answer cannot be read.
        """
        self.in_flight += 1
        try:
            connection = await self._connected()
            asking = _One(asyncio.get_running_loop().create_future())
            header = self._header(op, inputs, parameters, deadline_ms)
            number = connection.send(header, [one.data for one in inputs], asking)
            try:
                said, body = await asking.future
            except asyncio.CancelledError:
                connection.give_up(number)
                raise
            except BrokenError:
                self._rest()
                raise
        finally:
            self._done()
        _see_ok(said)
        timing = said.get("timing") or {}
        return Answer(
            tensors(said.get("outputs") or (), body),
            timing.get("queue_ms"), timing.get("model_ms"), timing.get("share_ms"), said,
        )  # fmt: skip

    async def stream(
        self,
        inputs: Sequence[Tensor],
        parameters: Mapping[str, Any] | None = None,
        deadline_ms: float | None = None,
    ) -> AsyncGenerator[Piece]:
        """Ask and yield the answer piece by piece; closing the generator stops the model.

        Raises:
            BrokenError: The connection broke or none could be made.
            AnswerError: The server refused.
        """
        self.in_flight += 1
        connection, number = None, 0
        try:
            connection = await self._connected()
            asking = _Many()
            header = self._header("stream", inputs, parameters, deadline_ms)
            number = connection.send(header, [one.data for one in inputs], asking)
            while True:
                said = await asking.queue.get()
                if isinstance(said, EngineUnreachableError):
                    self._rest()
                    raise said
                _see_ok(said)
                yield piece(said)
                if said.get("last", True):
                    return
        finally:
            self._done()
            if connection is not None:
                connection.give_up(number)

    def _header(
        self, op: str, inputs: Sequence[Tensor], parameters: Mapping[str, Any] | None,
        deadline_ms: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "id": 0, "op": op, "inputs": [one.told() for one in inputs],
            "parameters": parameters or {}, "deadline_ms": deadline_ms,
        }  # fmt: skip

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.lost:
            return connection
        if self._connecting is None:
            self._connecting = asyncio.create_task(_connect(self.replica))
            self._connecting.add_done_callback(self._came)
        # Shielded: others wait for it too.
        return await asyncio.shield(self._connecting)

    def _rest(self) -> None:
        """Leave a server alone for a moment; it may be one that is just ending."""
        self.down_until = max(self.down_until, time.monotonic() + _LOST_PAUSE_S)

    def _came(self, done: "asyncio.Task[Connection]") -> None:
        self._connecting = None
        if done.cancelled() or done.exception() is not None:
            self.down_until = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return
        self._connection = done.result()
        self.down_until, self._pause_s = 0.0, _FIRST_PAUSE_S

    @property
    def load(self) -> int:
        """Return how many requests it has, and is about to be given."""
        return self.in_flight + self.turns.promised

    def _down_s(self) -> float:
        return self.down_until - time.monotonic()

    def _done(self) -> None:
        """Count an answer, and let the next one that waits for room go on."""
        self.in_flight -= 1
        self.turns.let_in()

    def close(self) -> None:
        """Let go of the connection; requests under way are told that it broke."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()


class Pool:
    """The clients of all replicas that the routes name."""

    def __init__(self) -> None:
        self._clients: dict[Replica, Client] = {}

    def choose(self, replicas: Sequence[Replica], avoid: Client | None = None) -> Client | None:
        """Return the one with the least to do; None when none of them can be reached now.

        ``avoid`` is taken only when no other has room: it failed for this request. One that is full
        is taken only when all are.
        """
        now, best, least = time.monotonic(), None, 0
        for replica in replicas:
            client = self.of(replica)
            if client.down_until > now:
                continue
            load = client.load
            if load >= PER_REPLICA:
                load += _FULL
            elif client is avoid:
                load += _AVOIDED
            if best is None or load < least:
                best, least = client, load
        return best

    def of(self, replica: Replica) -> Client:
        """Return a replica's client."""
        client = self._clients.get(replica)
        if client is None:
            client = self._clients[replica] = Client(replica)
        return client

    def keep(self, replicas: Iterable[Replica]) -> None:
        """Let go of all others that have nothing under way."""
        wanted = set(replicas)
        for replica, client in list(self._clients.items()):
            if replica not in wanted and not client.in_flight:
                client.close()
                del self._clients[replica]

    def close(self) -> None:
        """Let go of all."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


async def _connect(replica: Replica) -> Connection:
    loop = asyncio.get_running_loop()
    kind, _, place = replica.address.partition(":")
    try:
        async with asyncio.timeout(CONNECT_S):
            if kind == "unix":
                _, made = await loop.create_unix_connection(Connection, place)
            else:
                host, _, port = place.rpartition(":")
                _, made = await loop.create_connection(Connection, host.strip("[]"), int(port))
            if replica.token:
                await _say_hello(made, replica.token)
    except (OSError, TimeoutError, ValueError, BrokenError) as error:
        raise BrokenError(f"No model server answers at {replica.address}.", sent=False) from error
    return made


async def _say_hello(made: Connection, token: str) -> None:
    """Show the token that a server on a network asks for; nothing else is read before it."""
    asking = _One(asyncio.get_running_loop().create_future())
    try:
        made.send({"op": "hello", "token": token}, (), asking)
        said, _ = await asking.future
    except BaseException:  # given up or refused: the connection is of no use; raised again
        made.close()
        raise
    _see_ok(said)


def _see_ok(header: Mapping[str, Any]) -> None:
    if header.get("ok"):
        return
    said = header.get("error") or {}
    raise AnswerError(
        str(said.get("message") or "The model failed."),
        str(said.get("kind") or "model"),
        said.get("field"),
    )
