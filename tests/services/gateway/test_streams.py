"""Streams of text that end before their end, and what is written down of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway.contract import Prepared
from services.gateway.http import GONE
from services.gateway.openai import _Call, _events
from services.gateway.openai_text import Completion
from services.gateway.recording import Recorder
from services.predictions.models import Record
from services.serving.frames import Piece
from services.serving.store import ApiKey
from tests.services.gateway.test_app import Sink, request
from tests.services.gateway.test_asking import loaded, question, route


def call(sink: Sink) -> _Call:
    asked = question()
    asked.loaded, asked.prepared = loaded(1), Prepared((), 1, {"prompt": ["once"]})
    key = ApiKey("k", "p", "", "", None, 0.0, 0, 0.0, "tests")
    gateway: Any = SimpleNamespace(recorder=Recorder(sink))
    form = Completion("id", "p.m", 0, {"prompt": "once"})
    return _Call(gateway, request(), key, route(v1=1.0), asked, form)


def written(sink: Sink, end: Callable[[AsyncGenerator[bytes]], Any]) -> list[tuple[int, Any]]:
    """Return status and outputs of what was written down of a stream that somebody ends."""
    closed: list[bool] = []

    async def pieces() -> AsyncGenerator[Piece]:
        try:
            yield Piece(" upon")
            yield Piece(" a")
            yield Piece(" time")
            yield Piece(last=True, finish="stop")
        finally:
            closed.append(True)

    async def work() -> None:
        made = pieces()
        events = _events(call(sink), await anext(made), made)
        await end(events)
        await events.aclose()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work()).result()
    assert closed == [True]
    kept = [record for record, _ in sink.kept]
    assert all(isinstance(record, Record) for record in kept)
    return [(record.status, record.outputs) for record in kept if isinstance(record, Record)]


@pytest.mark.parametrize(("heard", "text"), [(1, " upon"), (2, " upon a"), (3, " upon a time")])
def test_what_was_heard_before_somebody_hung_up_is_written_down(heard: int, text: str):
    async def end(events: AsyncGenerator[bytes]) -> None:
        for _ in range(heard):
            await anext(events)

    assert written(Sink(), end) == [(GONE, {"text": [text]})]


def test_a_stream_that_is_cancelled_while_it_waits_is_written_down():
    async def end(events: AsyncGenerator[bytes]) -> None:
        await anext(events)
        with pytest.raises(asyncio.CancelledError):
            await events.athrow(asyncio.CancelledError())

    assert written(Sink(), end) == [(GONE, {"text": [" upon"]})]


@pytest.mark.parametrize("heard", [4, 5, None])
def test_a_stream_is_written_down_once_before_its_end(heard: int | None):
    async def end(events: AsyncGenerator[bytes]) -> None:
        if heard is None:
            assert [one async for one in events][-1] == b"data: [DONE]\n\n"
        for _ in range(heard or 0):
            await anext(events)

    assert written(Sink(), end) == [(200, {"text": [" upon a time"]})]


def test_who_hung_up_is_not_told_of_a_full_disk():
    async def end(events: AsyncGenerator[bytes]) -> None:
        await anext(events)

    assert written(Sink(full=True), end) == []
