"""A check is followed, and can be ended, after the clock was set."""

import subprocess
import sys

import psutil
import pytest

from services.home import Home
from services.monitoring import told
from services.monitoring.told import Told
from services.process_identity import Identity


@pytest.mark.parametrize("step_s", [7200.0, -7200.0])
def test_a_check_is_the_same_after_the_clock_was_set(tmp_path, monkeypatch, step_s):
    home = Home(tmp_path)
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(120)"]) as child:
        noted = Identity.of(child.pid)
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
    told.write(told.path(home, "b"), Told(noted.pid, noted.created))
    assert told.read(home, "b") == Told(noted.pid, noted.created)
