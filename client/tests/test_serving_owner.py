import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlops_client.serving import info
from mlops_client.serving.jobs import Answered, Ended, Failed, Job, StreamJob
from mlops_client.serving.loading import load
from mlops_client.serving.model import Loaded, Model, batch_sizes
from mlops_client.serving.owner import Owner
from serving_bundles import CLASSIFIER, classifier, column, imported, told


def loaded(predict: Callable[..., Any], streamer: Any = None, max_batch: int = 8, **said: Any):
    known = info.parsed(told(**said))
    sizes, most = batch_sizes(known, max_batch)
    return Loaded(known, Model(predict, "cpu", "A test.", streamer), sizes, most)


class Doubler:
    """Twice the first value; notes how it is asked."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.hold = threading.Event()
        self.hold.set()
        self.asked = threading.Event()

    def __call__(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        self.asked.set()
        self.hold.wait(60)
        x = columns["x"]
        self.sizes.append(len(x))
        if (x < 0).any():
            raise ValueError("Column 'x' must not be negative.")
        if (x == 99).any():
            raise RuntimeError("out of luck")
        return x[:, 0] * 2


class Running:
    """An owner whose thread runs."""

    def __init__(self, what: Loaded) -> None:
        self.owner = Owner(what)
        self.answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.owner.run, daemon=True)
        self.thread.start()

    def ask(self, *values: float, name: Any = None, **more: Any) -> Job:
        rows = np.array([[value, 0] for value in values], np.float32)
        job = Job({"x": rows}, len(rows), lambda said: self.answers.put((name, said)), **more)
        self.owner.submit(job)
        return job

    def answer(self) -> Any:
        return self.answers.get(timeout=60)[1]

    def stop(self) -> None:
        self.owner.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def model() -> Doubler:
    return Doubler()


@pytest.fixture
def running(model: Doubler) -> Iterator[Running]:
    one = Running(loaded(model))
    yield one
    model.hold.set()
    one.stop()


def busy(running: Running, model: Doubler) -> None:
    """Let the model work on one request, so that others wait."""
    model.hold.clear()
    running.ask(0, name="first")
    assert model.asked.wait(60)


def test_one_request_is_answered_at_once_with_its_times(running: Running):
    running.ask(1, 2, 3)
    said = running.answer()
    assert isinstance(said, Answered)
    assert said.columns["y"].tolist() == [2, 4, 6]
    assert said.batch_rows == 3
    assert said.queue_ms >= 0
    assert said.model_ms >= 0


def test_requests_that_wait_are_asked_together_up_to_the_limit(running: Running, model: Doubler):
    busy(running, model)
    for number in range(10):
        running.ask(number, number, name=number)
    model.hold.set()
    answers = dict(running.answers.get(timeout=60) for _ in range(11))
    assert model.sizes[:3] == [1, 8, 8]
    assert sum(model.sizes) == 21
    for number in range(10):
        assert answers[number].columns["y"].tolist() == [2 * number] * 2
    counts = running.owner.counts
    assert (counts.requests, counts.rows, counts.batches) == (11, 21, len(model.sizes))


def test_the_models_time_is_shared_by_rows(running: Running, model: Doubler):
    busy(running, model)
    running.ask(*range(12), name="large")
    running.ask(*range(4), name="small")
    model.hold.set()
    answers = dict(running.answers.get(timeout=60) for _ in range(3))
    assert model.sizes == [1, 8, 8]  # the last one is half the large one's, half the small one's
    shared = sum(said.share_ms for said in answers.values())
    assert shared == pytest.approx(running.owner.counts.busy_s * 1000)


def test_a_large_request_lets_small_ones_through(running: Running, model: Doubler):
    busy(running, model)
    running.ask(*range(40), name="large")
    running.ask(7, name="small")
    model.hold.set()
    order = [running.answers.get(timeout=60) for _ in range(3)]
    assert [name for name, _ in order] == ["first", "small", "large"]
    assert order[2][1].columns["y"].tolist() == [2 * number for number in range(40)]
    assert max(model.sizes) == 8


def test_one_bad_request_does_not_spoil_the_others(running: Running, model: Doubler):
    busy(running, model)
    for number in (1, -1, 2, 99, 3):
        running.ask(number, name=number)
    model.hold.set()
    answers = dict(running.answers.get(timeout=60) for _ in range(6))
    assert [answers[n].columns["y"].tolist() for n in (1, 2, 3)] == [[2], [4], [6]]
    assert answers[-1] == Failed("input", "Column 'x' must not be negative.")
    assert answers[99].kind == "model"
    assert "out of luck" in answers[99].message


def test_expired_and_cancelled_requests_are_not_asked(running: Running, model: Doubler):
    busy(running, model)
    running.ask(5, deadline=time.monotonic())
    running.ask(6).cancelled = True
    model.hold.set()
    said = [running.answer() for _ in range(3)]
    assert [getattr(one, "kind", "answered") for one in said] == [
        "answered",
        "deadline",
        "deadline",
    ]
    assert model.sizes == [1]


def test_a_large_request_that_expires_on_its_way_is_ended(model: Doubler):
    slow = Doubler()
    running = Running(loaded(lambda columns: (time.sleep(0.05), slow(columns))[1], max_batch=1))
    running.ask(*range(100), deadline=time.monotonic() + 0.2)
    assert running.answer().kind == "deadline"
    assert 0 < len(slow.sizes) < 100
    running.stop()


def test_rows_of_different_shapes_or_columns_are_not_mixed():
    asked: list[list[str]] = []

    def predict(columns: dict[str, np.ndarray]) -> np.ndarray:
        asked.append(sorted(columns))
        return next(iter(columns.values()))[:, 0]

    both = [column("x", "FP32", -1, optional=True), column("z", "FP32", -1, optional=True)]
    running = Running(loaded(predict, inputs=both))
    for name, width in (("x", 2), ("z", 2), ("x", 3), ("x", 2)):
        columns = {name: np.zeros((1, width), np.float32)}
        running.owner.submit(Job(columns, 1, lambda said: running.answers.put((None, said))))
    assert all(isinstance(running.answer(), Answered) for _ in range(4))
    running.stop()


def test_a_model_whose_rows_belong_together_is_asked_a_request_at_a_time(model: Doubler):
    running = Running(loaded(model, batchable=False, fixed_batches=[4]))
    busy(running, model)
    for _ in range(3):
        running.ask(*range(20))
    model.hold.set()
    for _ in range(4):
        running.answer()
    running.stop()
    assert model.sizes == [1, 20, 20, 20]


def test_fixed_sizes_are_padded_and_the_padding_is_cut(model: Doubler):
    running = Running(loaded(model, fixed_batches=[2, 5]))
    for values in ([1.0], [1, 2, 3], list(range(12))):
        running.ask(*values)
        assert running.answer().columns["y"].tolist() == [2 * value for value in values]
    running.stop()
    assert set(model.sizes) == {2, 5}


@pytest.mark.parametrize(
    ("fixed", "most", "expected"),
    [
        ([], 32, ((), 32)),
        ([1, 8, 32], 32, ((1, 8, 32), 32)),
        ([1, 8, 32], 16, ((1, 8), 8)),
        ([64], 16, ((16,), 16)),
    ],
)
def test_batches_never_grow_beyond_the_limit(fixed: list[int], most: int, expected: Any):
    assert batch_sizes(info.parsed(told(fixed_batches=fixed)), most) == expected


def test_an_exit_in_the_models_code_is_an_error_and_no_end():
    def predict(columns: dict[str, np.ndarray]) -> np.ndarray:
        raise SystemExit(3)

    running = Running(loaded(predict))
    for _ in range(2):
        running.ask(1)
        assert running.answer().kind == "model"
    running.stop()


def test_an_answer_of_another_size_is_the_models_error():
    running = Running(loaded(lambda columns: np.zeros(7)))
    running.ask(1)
    assert "7 in 'y' for 1 rows" in running.answer().message
    running.stop()


def test_what_was_submitted_before_the_end_is_answered(model: Doubler):
    running = Running(loaded(model))
    busy(running, model)
    running.ask(1)
    running.owner.stop()
    model.hold.set()
    assert [running.answer().batch_rows for _ in range(2)] == [1, 1]
    running.thread.join(60)
    assert not running.thread.is_alive()


class Letters:
    """Streams the alphabet."""

    def __init__(self) -> None:
        self.closed = 0
        self.order: list[str] = []

    def count(self, text: str) -> int:
        return len(text)

    def stream(self, prompt: str, max_tokens: int, temperature: float, seed: int | None):
        if prompt == "bad":
            raise ValueError("No such prompt.")
        try:
            for letter in "abcdefghij":
                self.order.append(prompt)
                yield letter
        finally:
            self.closed += 1


class Reader:
    """Takes what one stream says."""

    def __init__(self, running: Running, prompt: str = "p", **more: Any) -> None:
        self.text = ""
        self.end: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.job = StreamJob(
            prompt, **{"max_tokens": 100, **more}, said=self.take, answer=self.end.put
        )
        running.owner.submit(self.job)

    def take(self, text: str) -> None:
        self.text += text
        if len(self.text) >= 3 and self.job.prompt == "cancel":
            self.job.cancelled = True


@pytest.fixture
def letters() -> Iterator[tuple[Letters, Running]]:
    streamer = Letters()
    running = Running(loaded(Doubler(), streamer))
    yield streamer, running
    running.stop()


def test_a_stream_ends_by_itself_or_at_its_length(letters: tuple[Letters, Running]):
    whole, short = Reader(letters[1]), Reader(letters[1], max_tokens=4)
    ended = whole.end.get(timeout=60)
    assert isinstance(ended, Ended)
    assert (whole.text, ended.finish, ended.prompt, ended.completion) == (
        "abcdefghij",
        "stop",
        1,
        10,
    )
    ended = short.end.get(timeout=60)
    assert (short.text, ended.finish, ended.completion) == ("abcd", "length", 4)


@pytest.mark.parametrize(
    ("stops", "text", "finish"),
    [
        (("ef",), "abcd", "stop"),
        (("xy", "hi", "ij"), "abcdefg", "stop"),
        (("jk",), "abcdefghij", "stop"),
        (("",), "abcdefghij", "stop"),
        (("abc",), "", "stop"),
    ],
)
def test_a_stop_word_ends_it_and_is_not_said(
    letters: tuple[Letters, Running], stops: tuple[str, ...], text: str, finish: str
):
    reader = Reader(letters[1], stops=stops)
    assert reader.end.get(timeout=60).finish == finish
    assert reader.text == text


def test_a_cancelled_stream_stops_and_is_closed(letters: tuple[Letters, Running]):
    reader = Reader(letters[1], "cancel")
    reader.end.get(timeout=60)
    assert reader.text == "abc"
    assert letters[0].closed == 1


def test_streams_take_turns(letters: tuple[Letters, Running]):
    readers = [Reader(letters[1], name) for name in ("p", "q", "bad")]
    assert readers[2].end.get(timeout=60) == Failed("input", "No such prompt.")
    for reader in readers[:2]:
        reader.end.get(timeout=60)
        assert reader.text == "abcdefghij"
    first_of_q = letters[0].order.index("q")
    assert "p" in letters[0].order[first_of_q:]


def test_more_streams_than_turns_wait_and_come(letters: tuple[Letters, Running]):
    readers = [Reader(letters[1]) for _ in range(40)]
    for reader in readers:
        assert reader.end.get(timeout=60).completion == 10


def test_a_stream_past_its_deadline_ends(letters: tuple[Letters, Running]):
    assert Reader(letters[1], deadline=time.monotonic() - 1).end.get(timeout=60).kind == "deadline"


def test_a_model_that_does_not_stream_says_so(running: Running):
    assert "does not stream" in Reader(running).end.get(timeout=60).message


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = classifier(tmp_path_factory.mktemp("digits") / "b")
    with imported(CLASSIFIER):
        yield load(folder, root=CLASSIFIER)


requests = st.lists(st.integers(1, 40), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests, st.integers(0, 2**32 - 1))
def test_a_real_model_answers_together_what_it_answers_alone(
    digits: Loaded, sizes: list[int], seed: int
):
    random = np.random.default_rng(seed)
    asked = [{"pixels": random.random((n, 64), np.float32)} for n in sizes]
    owner, answers = Owner(digits), {}
    for number, columns in enumerate(asked):
        owner.submit(
            Job(columns, sizes[number], lambda said, number=number: answers.update({number: said}))
        )
    owner.stop()
    owner.run()
    assert owner.counts.batches <= -(-sum(sizes) // 32) + 1
    for number, columns in enumerate(asked):
        alone = digits.model.predict(columns)
        together = answers[number].columns
        assert together["label"].tolist() == alone["label"].tolist()
        np.testing.assert_allclose(together["confidence"], alone["confidence"], rtol=1e-4)


def test_a_real_model_warms_up_in_every_size(digits: Loaded):
    assert digits.warm_up() > 0
    assert digits.sizes == (1, 8, 32)
    assert digits.backend == "mlx"
    assert digits.predict({"pixels": np.zeros((70, 64), np.float32)})["label"].shape == (70,)
    assert digits.stream is None
