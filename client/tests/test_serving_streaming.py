"""Streams whose project code fails, and answers that cannot be written: the others go on."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from mlops_client.serving.jobs import Ended, Failed
from mlops_client.serving.server import Server
from test_serving_owner import Doubler, Reader, Running, loaded


def fails(*_: Any) -> Any:
    raise KeyError("<|endoftext|>")


class Ending:
    """Says two pieces; cannot be closed."""

    def __init__(self) -> None:
        self.left = [*"ab"]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    def close(self) -> None:
        raise RuntimeError("not closed")


class Streamer:
    """A project's streamer, of parts that may fail."""

    def __init__(
        self, pieces: Callable[[], Any] = lambda: iter("ab"), count: Callable[[str], Any] = len
    ) -> None:
        self.pieces, self.count = pieces, count

    def stream(self, *_: Any) -> Any:
        return self.pieces()


@pytest.mark.parametrize(
    "streamer",
    [
        Streamer(count=fails),
        Streamer(count=lambda _: "many"),
        Streamer(lambda: iter([5])),
        Streamer(lambda: iter([b"a"])),
        Streamer(lambda: 5),
    ],
)
def test_a_streamer_that_fails_anywhere_fails_for_its_caller_alone(streamer: Streamer):
    running = Running(loaded(Doubler(), streamer))
    said = Reader(running).end.get(timeout=20)
    assert isinstance(said, Failed)
    assert said.kind in {"model", "input"}
    running.ask(1)
    assert running.answer().columns["y"].tolist() == [2]
    running.stop()


def test_a_stream_that_cannot_be_closed_is_answered_all_the_same():
    running = Running(loaded(Doubler(), Streamer(Ending)))
    assert isinstance(Reader(running).end.get(timeout=20), Ended)
    assert isinstance(Reader(running, max_tokens=1).end.get(timeout=20), Ended)
    running.stop()


def test_tokens_are_counted_in_whole_numbers_that_json_has():
    running = Running(loaded(Doubler(), Streamer(count=lambda text: np.int64(len(text)))))
    said = Reader(running, "abc").end.get(timeout=20)
    assert (type(said.prompt), said.prompt) == (int, 3)
    running.stop()


def test_an_answer_that_cannot_be_written_keeps_no_other_back():
    server = Server("unix:/nowhere")
    came = threading.Event()
    server.hand_over(fails, None)
    server.hand_over(lambda _: came.set(), None)
    server.start()
    try:
        assert came.wait(20)
        assert server.holding is None
    finally:
        server.close()
