"""What a shadow leaves in the prediction log: what it was asked, as the endpoint allows."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.errors import EngineError
from services.gateway.contract import Prepared
from services.gateway.counts import Counts
from services.gateway.recording import Recorder
from services.gateway.shadows import Shadows
from services.home import Home
from services.predictions import monitoring
from services.predictions.log import PredictionLog
from services.serving.frames import Answer, Tensor
from services.serving.models import BundleInfo, Privacy
from services.serving.routes import Replica, Route, VersionRoute
from services.serving.wire import Pool
from tests.services.predictions.records import compacted, request_id

INFO = BundleInfo("p", "m", 2, "rows", "onnx", (), ())
SHADOW = VersionRoute(2, INFO, "cpu", "", ())
ASKED = {"x": np.array([[1.0, 2.0], [3.0, 4.0]])}
SAID = {"y": np.array([1.0, 2.0], dtype="<f4")}


class Server(Pool):
    """One model server, which answers or fails."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure

    def choose(self, replicas: Sequence[Replica], *_: Any, **__: Any) -> Any:
        return self

    async def ask(self, *_: Any) -> Answer:
        if self.failure:
            raise EngineError(self.failure)
        return Answer((Tensor("y", "FP32", (2,), SAID["y"].tobytes()),))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def asked(home: Home, privacy: Privacy, server: Server, columns: Any = ASKED) -> None:
    """Have a live version answer and its shadow be asked, and wait for it."""
    route = Route("p.m", "p", "m", 1, {1: 1.0}, {2: SHADOW}, shadow=2, privacy=privacy)
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    recorder = Recorder(log)
    name = request_id(time.time())
    live = VersionRoute(1, INFO, "cpu", "", ())

    async def work() -> None:
        shadows = Shadows(server, Counts(), recorder)
        await recorder.predicted(
            name, route, live, api="plain", key_id="k", status=200, latency_ms=1.0, rows=2,
            inputs=columns, outputs=SAID,
        )  # fmt: skip
        shadows.start(name, route, SHADOW, Prepared((), 2, columns), SAID, api="plain", key_id="k")
        await asyncio.gather(*shadows._running)

    asyncio.run(work())
    log.close()


def column(home: Home, name: str, *, shadow: bool) -> list[Any] | None:
    found = monitoring.features(home, "p", "m", 2 if shadow else 1, shadow=shadow)
    return found[name].to_pylist() if name in found.column_names else None


@pytest.mark.parametrize("privacy", ["full", "hash", "off"])
@pytest.mark.parametrize("columns", [ASKED, b'{"x":[[1.0,2.0],[3.0,4.0]]}'])
def test_a_shadow_is_logged_with_what_the_live_version_was_asked(
    home: Home, privacy: Privacy, columns: Any
):
    asked(home, privacy, Server(), columns)
    for _ in range(2):  # before and after the log became files of columns
        table = monitoring.features(home, "p", "m", 2, shadow=True)
        names = [one for one in table.column_names if one.startswith("input.")]
        assert bool(names) == (privacy != "off")
        for name in [*names, "output.y"]:
            assert column(home, name, shadow=True) == column(home, name, shadow=False)
        compacted(home, time.time())
    if privacy == "full":
        assert column(home, "output.y", shadow=True) == [1.0, 2.0]


def test_of_one_that_failed_what_it_was_asked_is_kept(home: Home):
    asked(home, "full", Server("It broke."))
    assert column(home, "input.x[0]", shadow=True) == [1.0, 3.0]
    assert column(home, "output.y", shadow=True) is None
