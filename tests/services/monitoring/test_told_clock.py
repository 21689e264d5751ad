"""A check is followed, and can be ended, after the clock was set."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from services.home import Home
from services.monitoring import told
from services.monitoring.told import Told
from services.process_identity import Identity


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(120)"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("step_s", [7200.0, -7200.0])
def test_a_check_is_the_same_after_the_clock_was_set(tmp_path, child, monkeypatch, step_s):
    home, noted = Home(tmp_path), Identity.of(child.pid)
    assert noted is not None
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: began(one) + step_s)
    told.write(told.path(home, "a"), Told(noted.pid, noted.created, "x", start=noted.start))
    read = told.read(home, "a")
    assert read is not None
    assert read.alive
    read.end()
    child.wait(10)
    assert not read.alive


def test_what_an_earlier_version_told_is_read(tmp_path):
    home = Home(tmp_path)
    target = told.path(home, "b")
    target.parent.mkdir(parents=True)
    target.write_text('{"pid": 7, "created": 5.0, "said": "x", "lines": []}')
    assert told.read(home, "b") == Told(7, 5.0, "x")
