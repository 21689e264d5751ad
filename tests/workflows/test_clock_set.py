"""What a task started is reached by a signal although the clock was set meanwhile."""

import os
import subprocess
import sys
import time

import psutil
from mlops_workflows import memory
from mlops_workflows.memory import Meter

STARTS = (
    "import subprocess, sys; "
    "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(120)'], "
    "start_new_session=True); sys.stdin.read()"
)


def test_who_left_the_group_is_known_after_the_clock_was_set(monkeypatch):
    argv = [sys.executable, "-S", "-c", STARTS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as task:
        meter = Meter(task.pid)
        until = time.monotonic() + 10
        while len(meter.find()) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        (stray,) = meter.seen.keys() - {task.pid}
        task.communicate(b"")
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: began(one) + 3600)
    assert memory.lives(meter.seen[stray])
    assert not memory.lives(meter.seen[task.pid])
    os.kill(stray, 9)
    until = time.monotonic() + 10
    while memory.lives(meter.seen[stray]) and time.monotonic() < until:
        time.sleep(0.01)
    assert not memory.lives(meter.seen[stray])
