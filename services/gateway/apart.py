"""Large JSON bodies are read in processes of their own.

Reading JSON holds the interpreter from its first byte to its last, in a thread as well: one body of
16 MiB kept all other requests waiting for up to seconds. So what is larger than ``INLINE_BYTES``
goes through a pipe to a reader (``services.gateway.reader``), which answers with the arrays that
the model is asked, held against the version's schema, or with what is wrong with them.
"""

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import orjson

from services.errors import EngineProtocolError
from services.gateway.asking import Question, chosen
from services.gateway.contract import Contract, Prepared
from services.gateway.http import Request
from services.gateway.problems import Problem
from services.predictions.privacy import COLUMNS_BYTES
from services.serving import frames
from services.serving.models import BundleInfo
from services.serving.routes import Route

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

INLINE_BYTES = 128 << 10
"""JSON up to here is read where it came in: some milliseconds at most."""
READERS = 2
WAITING = 64
"""Bodies that wait for a reader; more are refused."""
LARGE = bytes(COLUMNS_BYTES + 1)
"""Stands for columns that are larger than the prediction log keeps."""
_PIPE_BYTES = 4 << 20


class Call(Protocol):
    """What a request says, in one of the protocols."""

    def prepare(self, contract: Contract, /) -> Prepared:
        """Return what the model is asked.

        Raises:
            Problem: It is not what the version takes.
        """

    def rest(self) -> dict[str, Any]:
        """Return what the reply needs of it, as JSON."""


C = TypeVar("C", bound=Call)


@dataclass(frozen=True, slots=True)
class Form(Generic[C]):
    """A protocol."""

    name: str
    read: Callable[[bytes, int], C]
    """From a body and how many bytes of it are JSON."""
    again: Callable[[Mapping[str, Any]], C]
    """From what ``rest`` told; it is not prepared any more."""


async def asked(
    gateway: "Gateway", request: Request, route: Route, form: Form[C], body: bytes,
    json_bytes: int, version: str = "",
) -> tuple[C, Question]:  # fmt: skip
    """Return what a request says, and the question to ask.

    Raises:
        Problem: It is not of the protocol, or the readers have too much to do.
    """
    if json_bytes <= INLINE_BYTES:
        call = form.read(body, json_bytes)
        return call, gateway.question(request, route, call.prepare, version)
    read: Prepared | None = None

    def prepare(contract: Contract) -> Prepared:
        info = contract.info
        if read is None or (info.inputs, info.outputs) != (loaded.info.inputs, loaded.info.outputs):
            raise Problem(
                "away", "Another version took over while this was read; ask again.",
                retry_after_s=1,
            )  # fmt: skip
        return read

    question = gateway.question(request, route, prepare, version)
    loaded = chosen(route, question)
    header, answer = await gateway.readers.read(
        form.name, loaded.info, body, json_bytes, question.deadline
    )
    if not header.get("unread"):
        request.seen.version, request.seen.backend = loaded.version, loaded.backend
        request.seen.asked = True
    read = _prepared(header, answer)
    return form.again(header["rest"]), question


@dataclass(slots=True)
class Readers:
    """A few processes that read; begun when they are first needed, and anew when one was lost."""

    most: int = READERS
    _idle: list[Process] = field(default_factory=list)
    _all: set[Process] = field(default_factory=set)
    _turn: asyncio.Semaphore | None = None
    _waiting: int = 0

    async def read(
        self, form: str, info: BundleInfo, body: bytes, json_bytes: int, deadline: float
    ) -> tuple[dict[str, Any], bytes]:
        """Return what a reader says of a request.

        Args:
            form: The name of its protocol.
            info: Of the version that is asked.
            body: What was sent.
            json_bytes: So much of it is JSON.
            deadline: Of the monotonic clock.

        Raises:
            Problem: No reader was there in time, or it was lost.
        """
        if self._waiting >= WAITING:
            raise Problem(
                "busy", f"{WAITING} large requests wait to be read already.", retry_after_s=1
            )
        job = {"id": 0, "form": form, "info": info.as_json(), "json_bytes": json_bytes}
        self._turn = self._turn or asyncio.Semaphore(self.most)
        self._waiting += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())), self._turn:
                return await self._exchange(job, body)
        except TimeoutError as error:
            raise Problem("deadline", "The request was not read in time.") from error
        except (OSError, EOFError, EngineProtocolError) as error:
            raise Problem(
                "away", "The process that read this request was lost; send less at once, or ask "
                "again.", retry_after_s=1,
            ) from error  # fmt: skip
        finally:
            self._waiting -= 1

    async def _exchange(self, job: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        head = orjson.dumps(job)
        process = await self._one()
        done = False
        try:
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.writelines((frames.SIZES.pack(len(head), len(body)), head, body))
            sizes = frames.SIZES.unpack(await process.stdout.readexactly(frames.SIZES.size))
            header = orjson.loads(await process.stdout.readexactly(sizes[0]))
            answer = await process.stdout.readexactly(sizes[1])
            done = True
            return header, answer
        finally:
            if done:
                self._idle.append(process)
            else:  # what it would answer now is of nobody's question
                self._end(process)

    async def _one(self) -> Process:
        """Return a reader that has nothing to do."""
        while self._idle:
            known = self._idle.pop()
            if known.returncode is None:
                return known
            self._all.discard(known)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "services.gateway.reader",
            stdin=PIPE, stdout=PIPE, limit=_PIPE_BYTES,
        )  # fmt: skip
        self._all.add(process)
        return process

    def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._all.discard(process)

    async def close(self) -> None:
        """End them."""
        ended = tuple(self._all)
        for process in ended:
            self._end(process)
        self._idle.clear()
        await asyncio.gather(*(process.wait() for process in ended))


def _prepared(header: Mapping[str, Any], body: bytes) -> Prepared:
    """Return what the model is asked.

    Raises:
        Problem: The reader found something wrong.
    """
    problem = header.get("problem")
    if problem is not None:
        raise Problem(problem["kind"], problem["detail"], field=problem["field"])
    end = len(body) - header["columns"]
    columns = LARGE if header["large"] else body[end:]
    inputs = frames.tensors(header["inputs"], body[:end])
    return Prepared(inputs, header["rows"], columns, header["parameters"])
