"""A deployment has the false alarms of a day once, however many of its versions answer."""

import time
from pathlib import Path

import pytest

from services.home import Home
from services.monitoring import checking, computing
from services.monitoring.checking import Asked
from services.monitoring.verdict import Judged, Rules, judge
from services.serving import routes
from services.serving.routes import Route, Routes
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import TrackingServer, evaluated


def test_versions_that_answer_share_the_false_alarms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home = Home.locate()
    home.create()
    beside_a_canary = Route("p.m", "p", "m", 3, {3: 0.9, 4: 0.1}, {})
    routes.write(home, Routes(1, {"p.m": beside_a_canary}))
    for version in (3, 4):
        asked(home, time.time() - HOUR_S, 40, span_s=HOUR_S - 10, version=version)
    levels: list[float] = []

    def spied(*given: object) -> list[Judged]:
        levels.append(given[2].level)  # type: ignore[attr-defined]
        return judge(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(computing, "judge", spied)
    server = TrackingServer(evaluated())
    checking.run(home, Asked(report=False), mlflow=server)  # type: ignore[arg-type]
    assert levels == [Rules().level / 2] * 2
