"""Predictions on their way to the log: what takes long to hash keeps nobody waiting."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.errors import PlatformError
from services.gateway.asking import Question
from services.gateway.http import GoneError, Request
from services.gateway.keys import KeyRing
from services.gateway.problems import Problem
from services.gateway.recording import Recorder
from services.gateway.server import build
from services.home import Home
from services.predictions.models import Feedback, Record
from services.serving.models import BundleInfo, Privacy
from services.serving.routes import Route, VersionRoute
from services.serving.store import ApiKey

INFO = BundleInfo("p", "m", 1, "rows", "onnx", (), ())
VERSION = VersionRoute(1, INFO, "cpu", "", ())


class Log:
    """A prediction log that takes a while: until it is told to go on."""

    def __init__(self, failure: PlatformError | None = None) -> None:
        self.go = threading.Event()
        self.failure = failure
        self.kept: list[Record] = []

    def append(self, record: Record, **_: Any) -> None:
        assert self.go.wait(5), "nobody else ran meanwhile"
        if self.failure is not None:
            raise self.failure
        self.kept.append(record)

    def append_feedback(self, feedback: Feedback, **_: Any) -> None:
        raise AssertionError("Nobody sends a label here.")

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def kept(log: Log, privacy: Privacy, inputs: Any) -> None:
    """Have a prediction kept, and tell the log to go on from the event loop."""

    async def work() -> None:
        route = Route("p.m", "p", "m", 1, {1: 1.0}, {1: VERSION}, privacy=privacy)
        keeping = asyncio.create_task(
            Recorder(log).predicted(
                "0" * 32, route, VERSION, api="plain", key_id="k", status=200, latency_ms=1.0,
                rows=1, inputs=inputs, outputs=None,
            )
        )  # fmt: skip
        await asyncio.sleep(0.01)
        assert not keeping.done()
        log.go.set()
        await keeping

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work()).result()


@pytest.mark.parametrize("inputs", [{"x": np.zeros(100_000)}, {"x": ["a"] * 2000}, b'{"x":[1]}'])
def test_others_are_answered_while_a_batch_is_hashed(inputs: Any):
    log = Log()
    kept(log, "hash", inputs)
    (record,) = log.kept
    assert record.inputs is inputs


def test_a_log_that_takes_no_hashed_batch_refuses_it():
    log = Log(PlatformError("The disk is full.", "Free some space."))
    with pytest.raises(Problem, match="Free some space") as problem:
        kept(log, "hash", {"x": ["a"] * 2000})
    assert problem.value.status == 503


@pytest.mark.parametrize(
    ("privacy", "inputs"), [("hash", {"x": [1.0]}), ("full", {"x": [1.0] * 5000})]
)
def test_what_takes_a_moment_is_kept_where_it_is(privacy: Privacy, inputs: Any):
    threads: set[int] = set()

    class Here(Log):
        def append(self, record: Record, **_: Any) -> None:
            threads.add(threading.get_ident())

    async def work() -> None:
        route = Route("p.m", "p", "m", 1, {1: 1.0}, {1: VERSION}, privacy=privacy)
        await Recorder(Here()).predicted(
            "0" * 32, route, VERSION, api="plain", key_id="k", status=200, latency_ms=1.0, rows=1,
            inputs=inputs, outputs=None,
        )  # fmt: skip
        threads.add(threading.get_ident())

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work()).result()
    assert len(threads) == 1


class Kept(Log):
    """A prediction log that takes everything at once."""

    def append(self, record: Record, **_: Any) -> None:
        self.kept.append(record)


def failed(home: Home, error: Exception, loaded: VersionRoute | None) -> list[Record]:
    """What is kept of a question that ends so."""
    log = Kept()

    async def work() -> None:
        gateway = build(home, KeyRing(list), Recorder(log))
        route = Route("p.m", "p", "m", 7, {7: 1.0}, {})
        question = Question("p.m", lambda _: None, 1e9, loaded=loaded)  # type: ignore[arg-type,return-value]
        scope = {"type": "http", "raw_path": b"/", "headers": [], "method": "POST"}
        request = Request(scope, None)  # type: ignore[arg-type]
        key = ApiKey("k", "p", "test", "", None, 0.0, 0, 0.0, "tests")
        with pytest.raises(type(error)):
            async with gateway.failing(request, key, route, question, "plain"):
                raise error

    asyncio.run(work())
    return log.kept


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Problem("away", "No version is in service now."), 503, "No version is in service now."),
        (RuntimeError("a bug"), 500, "The gateway failed."),
    ],
)
def test_a_failure_without_a_version_is_kept_with_the_live_one(
    home: Home, error: Exception, status: int, said: str
):
    (one,) = failed(home, error, None)
    assert (one.version, one.status, one.error, one.rows) == (7, status, said, 1)
    assert (one.project, one.model, one.inputs, one.backend) == ("p", "m", None, "")
    (other,) = failed(home, error, VERSION)
    assert (other.version, other.backend) == (1, "cpu")


def test_what_the_asker_did_wrong_is_no_failure(home: Home):
    assert failed(home, Problem("bad-input", "No."), None) == []
    assert failed(home, GoneError(), None) == []
