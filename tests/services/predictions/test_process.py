"""The engine as the supervisor starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.home import Home
from services.platform.probes import HeartbeatProbe
from services.predictions import reading
from services.predictions.folder import Folder
from tests.live import ROOT, eventually
from tests.services.predictions import drill
from tests.services.predictions.records import NOON, record, written

pytestmark = pytest.mark.engine


@contextmanager
def engine(home: Home, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "services.predictions", "--interval", "0.1", *arguments],
        cwd=ROOT, env=os.environ | {"MLOPS_HOME": str(home.root)}, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def report(home: Home) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home.run / "predictions.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


@pytest.mark.slow
def test_it_puts_segments_into_parquet_says_so_and_ends_cleanly(home: Home):
    written(home, record(), record(NOON + 1))
    with engine(home, "--days", "36500") as process:
        eventually(lambda: "2 predictions of 1 segments" in report(home).get("detail", ""))
        assert HeartbeatProbe(home.run / "predictions.json")(0.0).ready
        assert not Folder(home).segments()
        written(home, record(NOON + 2))
        eventually(lambda: "3 predictions of 2 segments" in report(home).get("detail", ""))
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not report(home)
    assert reading.count(home) == 3


def test_a_second_one_is_refused(home: Home):
    with engine(home):
        eventually(lambda: report(home))
        with engine(home) as second:
            assert second.wait() == 1
            assert second.stderr is not None
            assert "Another process works on the predictions" in second.stderr.read()


@pytest.mark.slow
def test_it_goes_on_after_a_kill(home: Home):
    with engine(home, "--days", "36500") as process:
        eventually(lambda: report(home))
        process.kill()
    written(home, record())
    with engine(home, "--days", "36500"):
        eventually(lambda: not Folder(home).segments())
    assert reading.count(home) == 1


def test_what_cannot_be_done_is_in_the_report(home: Home):
    written(home, record())
    blocked = home.serving / "predictions" / "project=clip-finetuning"
    blocked.write_text("a file where a folder must be")
    with engine(home, "--days", "36500"):
        eventually(lambda: "Nothing is lost" in report(home).get("detail", ""))
        assert reading.count(home, "other") == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_when_writers_and_compactors_are_killed(home: Home):
    outcome = drill.run(home, 30_000, kills=6)
    assert outcome.acknowledged >= 30_000
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.writers_killed >= 6
    assert outcome.compactors_killed == 6
    assert not outcome.wrong_looks
    assert outcome.looks
