"""One caller's connection: many requests at once, answers in the order they are done."""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from mlops_client.serving import validation
from mlops_client.serving.frames import (
    BODY_LIMIT,
    BYTES,
    HEADER_LIMIT,
    ColumnError,
    FrameError,
    Parser,
    frame,
    packed,
    unpacked,
)
from mlops_client.serving.info import Info
from mlops_client.serving.jobs import Answered, Ended, Failed, Job, StreamJob

HELLO_S = 5.0
CONNECTIONS = 256
"""At once; one gateway needs a few."""
_HELLO_LIMIT = 4096
MAX_TOKENS = 4096
_MAX_STOPS = 16
_INPUT, _BUSY = "input", "busy"
_Op = Callable[["Connection", int, dict[str, Any], bytes], None]


class Asked(Protocol):
    """The model server, as a connection needs it; all of it in the thread of the loop."""

    info: Info
    token: str
    loop: asyncio.AbstractEventLoop
    connections: set["Connection"]

    holding: set["Connection"] | None
    """Connections that keep what they write for one `flush`; None: they write at once."""

    def hand_over(self, call: Callable[[Any], None], value: object) -> None:
        """Have the loop call something; from any thread."""
        ...

    def refusal(self, size: int) -> str | None:
        """Return why nothing more is taken now; None when it is."""
        ...

    def submit(self, job: Job | StreamJob, size: int) -> None:
        """Give a job to the model's thread."""
        ...

    def done(self, size: int) -> None:
        """Note that a job is answered."""
        ...

    def stats(self) -> dict[str, Any]:
        """Return what was done and what memory is used."""
        ...


class Connection(asyncio.Protocol):
    """Reads frames, hands jobs on, writes answers."""

    def __init__(self, server: Asked) -> None:
        self._server = server
        self._trusted = not server.token
        limits = (HEADER_LIMIT, BODY_LIMIT) if self._trusted else (_HELLO_LIMIT, 0)
        self._parser = Parser(*limits)
        self._transport: asyncio.Transport | None = None
        self._jobs: dict[int, Job | StreamJob] = {}
        self._hello: asyncio.TimerHandle | None = None
        self._held: list[bytes] = []

    @property
    def busy(self) -> bool:
        """Return whether answers are still to be written."""
        kept = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return bool(self._jobs) or kept > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a caller over a network has a moment to say its token."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what streams always have
        if len(self._server.connections) >= CONNECTIONS:
            transport.abort()
            return
        self._transport = transport
        self._server.connections.add(self)
        if not self._trusted:
            self._hello = self._server.loop.call_later(HELLO_S, self._give_up)

    def _give_up(self) -> None:
        if not self._trusted:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what the caller asked for."""
        del exc
        self._transport = None
        self._server.connections.discard(self)
        if self._hello is not None:
            self._hello.cancel()
        for job in self._jobs.values():
            job.cancelled = True

    def pause_writing(self) -> None:
        """Take no more requests from a caller that does not read its answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take requests again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer the frames that are whole now."""
        try:
            for header, body in self._parser.feed(data):
                self._take(header, body)
                if self._transport is None or self._transport.is_closing():
                    return
        except FrameError:
            self.close()

    def _take(self, header: dict[str, Any], body: bytes) -> None:
        number = header.get("id")
        if type(number) is not int:
            raise FrameError("A frame has no number.")
        if not self._trusted:
            self._say_hello(number, header)
            return
        op = header.get("op")
        serve = self._OPS.get(op) if isinstance(op, str) else None
        if serve is None:
            self._fail(number, Failed(_INPUT, f"There is no operation {str(op)[:40]!r}."))
            return
        try:
            serve(self, number, header, body)
        except ColumnError as error:
            self._fail(number, Failed(_INPUT, str(error), error.field))

    def _say_hello(self, number: int, header: dict[str, Any]) -> None:
        token = header.get("token")
        known = isinstance(token, str) and hmac.compare_digest(
            token.encode(), self._server.token.encode()
        )
        if header.get("op") != "hello" or not known:
            raise FrameError("The token is wrong.")
        self._trusted = True
        self._parser.header_limit, self._parser.body_limit = HEADER_LIMIT, BODY_LIMIT
        self._health(number, header, b"")

    def _health(self, number: int, header: dict[str, Any], body: bytes) -> None:
        del header, body
        self._write({"id": number, "ok": True, "state": "ready", "last": True})

    def _stats(self, number: int, header: dict[str, Any], body: bytes) -> None:
        del header, body
        self._write({"id": number, "ok": True, "stats": self._server.stats(), "last": True})

    def _cancel(self, number: int, header: dict[str, Any], body: bytes) -> None:
        del number, body
        of = header.get("of")
        job = self._jobs.get(of) if type(of) is int else None
        if job is not None:
            job.cancelled = True

    def _admitted(self, number: int, size: int) -> bool:
        if number in self._jobs:
            self._fail(number, Failed(_INPUT, f"Request {number} is still being answered."))
            return False
        refusal = self._server.refusal(size)
        if refusal is not None:
            self._fail(number, Failed(_BUSY, refusal))
        return refusal is None

    def _infer(self, number: int, header: dict[str, Any], body: bytes) -> None:
        if not self._admitted(number, len(body)):
            return
        columns = unpacked(header.get("inputs"), body)
        rows = validation.checked(self._server.info, columns)
        done = self._answerer(number, len(body))
        job = Job(columns, rows, done, deadline=_deadline(header))
        self._jobs[number] = job
        self._server.submit(job, len(body))

    def _stream(self, number: int, header: dict[str, Any], body: bytes) -> None:
        if not self._admitted(number, len(body)):
            return
        given = header.get("parameters") or {}
        if not isinstance(given, dict):
            raise ColumnError("parameters", "The parameters must be an object.")
        job = StreamJob(
            prompt=_prompt(header, body, given),
            said=self._sayer(number),
            answer=self._answerer(number, len(body)),
            deadline=_deadline(header),
            stops=_stops(given.get("stop")),
            max_tokens=_number(given, "max_tokens", 256, 1, MAX_TOKENS, whole=True),
            temperature=_number(given, "temperature", 0.0, 0.0, 2.0),
            seed=None
            if given.get("seed") is None
            else _number(given, "seed", 0, 0, 2**63 - 1, whole=True),
        )
        self._jobs[number] = job
        self._server.submit(job, len(body))

    def _answerer(self, number: int, size: int) -> Callable[[Answered | Ended | Failed], None]:
        """Return what the model's thread calls: the loop writes the answer."""

        def write(outcome: Answered | Ended | Failed) -> None:
            self._server.done(size)
            job = self._jobs.pop(number, None)
            if job is not None and not job.cancelled:
                self._answer(number, outcome)

        return lambda outcome: self._server.hand_over(write, outcome)

    def _sayer(self, number: int) -> Callable[[str], None]:
        def write(text: str) -> None:
            job = self._jobs.get(number)
            if job is not None and not job.cancelled:
                self._write({"id": number, "ok": True, "text": text, "last": False})

        return lambda text: self._server.hand_over(write, text)

    def _answer(self, number: int, outcome: Answered | Ended | Failed) -> None:
        if isinstance(outcome, Failed):
            self._fail(number, outcome)
            return
        timing = {"queue_ms": round(outcome.queue_ms, 3), "model_ms": round(outcome.model_ms, 3)}
        header: dict[str, Any] = {"id": number, "ok": True, "last": True, "timing": timing}
        body: Sequence[bytes] = ()
        if isinstance(outcome, Ended):
            timing |= {"batch_rows": 1, "share_ms": timing["model_ms"]}
            header |= {"outputs": [], "finish": outcome.finish}
            header["usage"] = {"prompt": outcome.prompt, "completion": outcome.completion}
        else:
            timing |= {"batch_rows": outcome.batch_rows, "share_ms": round(outcome.share_ms, 3)}
            try:
                header["outputs"], body = packed(outcome.columns)
            except ColumnError as error:
                self._fail(number, Failed("model", f"The model's answer cannot be sent: {error}"))
                return
        self._write(header, body)

    def _fail(self, number: int, failed: Failed) -> None:
        error = {"kind": failed.kind, "message": failed.message, "field": failed.field}
        self._write({"id": number, "ok": False, "error": error, "last": True})

    def _write(self, header: Mapping[str, Any], body: Sequence[bytes] = ()) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        try:
            raw = frame(header, body)
        except FrameError as error:
            self._fail(int(header["id"]), Failed("model", str(error)))
            return
        if self._server.holding is None:
            self._transport.write(raw)
        else:
            self._held.append(raw)
            self._server.holding.add(self)

    def flush(self) -> None:
        """Send what was held back, in one go."""
        held, self._held = self._held, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    _OPS: ClassVar[dict[str, _Op]] = {
        "infer": _infer,
        "stream": _stream,
        "health": _health,
        "hello": _health,
        "stats": _stats,
        "cancel": _cancel,
    }


def _deadline(header: Mapping[str, Any]) -> float | None:
    left = header.get("deadline_ms")
    if left is None:
        return None
    if isinstance(left, bool) or not isinstance(left, int | float):
        raise ColumnError(None, "deadline_ms must be a number of milliseconds from now.")
    return time.monotonic() + left / 1000


def _prompt(header: Mapping[str, Any], body: bytes, given: Mapping[str, Any]) -> str:
    """Return the one text of a request: its only column, or the parameter ``prompt``."""
    prompt = given.get("prompt")
    if header.get("inputs"):
        columns = unpacked(header["inputs"], body)
        name, values = next(iter(columns.items()))
        if len(columns) != 1 or values.size != 1 or header["inputs"][0]["datatype"] != BYTES:
            raise ColumnError(name, "A stream takes one column of one text.")
        prompt = values.reshape(-1)[0]
    if not isinstance(prompt, str):
        raise ColumnError("prompt", "A stream needs a prompt: one column of one text.")
    return prompt


def _stops(said: object) -> tuple[str, ...]:
    words = [said] if isinstance(said, str) else said or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ColumnError("stop", "stop must be a text, or a list of texts.")
    if len(words) > _MAX_STOPS:
        raise ColumnError("stop", f"stop may be {_MAX_STOPS} texts at most.")
    return tuple(words)


def _number(
    given: Mapping[str, Any],
    name: str,
    default: float,
    low: float,
    high: float,
    *,
    whole: bool = False,
) -> Any:  # noqa: ANN401 - int or float
    value = given.get(name)
    value = default if value is None else value
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "whole number" if whole else "number"
        raise ColumnError(name, f"{name} must be a {kind} from {low:g} to {high:g}.")
    return value
