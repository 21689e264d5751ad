import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from services.engines.silicon.uses import Tag, Uses

BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", PARENT]) as process:
        until = time.monotonic() + 10
        while not psutil.Process(process.pid).children() and time.monotonic() < until:
            time.sleep(0.02)
        yield process
        if process.poll() is None:
            for one in psutil.Process(process.pid).children():
                one.kill()
        process.kill()


def worked(pid: int) -> float:
    """Return the seconds of CPU a process has had."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def works(pid: int, seconds: float) -> None:
    """Wait until a process has had some seconds of CPU more."""
    until = worked(pid) + seconds
    while worked(pid) < until:
        time.sleep(0.01)


def tag(pid: int, owner: str = "run:r1", **fields: int) -> Tag:
    return Tag(pid, psutil.Process(pid).create_time(), owner, "clip", **fields)


def test_the_time_of_children_belongs_to_their_owner(child):
    uses = Uses()
    mine = tag(child.pid, mlx_peak_bytes=123)
    first = uses.take([mine])
    assert {use.owner for use in first} == {"run:r1"}
    assert [use.cpu_s for use in first] == [None, None]  # no difference yet
    worker = psutil.Process(child.pid).children()[0].pid
    works(worker, 0.2)
    again = {use.pid: use for use in uses.take([mine])}
    assert set(again) >= {child.pid, worker}
    assert again[worker].project == "clip"
    assert (again[worker].cpu_s or 0) > 0.1
    assert again[child.pid].mlx_peak_bytes == 123
    assert again[worker].mlx_peak_bytes is None
    assert (again[worker].memory_bytes or 0) > 1_000_000


def test_another_process_with_the_same_number_is_not_taken_for_it(child):
    late = Tag(child.pid, psutil.Process(child.pid).create_time() - 500, "run:old")
    assert [use for use in Uses().take([late]) if use.owner] == []


def test_one_that_ended_is_gone(child):
    uses, mine = Uses(), tag(child.pid)
    uses.take([mine])
    for one in psutil.Process(child.pid).children():
        one.kill()
    child.wait()
    assert [use for use in uses.take([mine]) if use.owner] == []


def test_a_busy_stranger_is_named_when_all_are_looked_at(child):
    # Two seconds pass on its clock for each second of work, however busy this machine is.
    worker = psutil.Process(child.pid).children()[0].pid
    uses = Uses(scan_every=2, now=lambda: 2 * worked(worker))
    uses.take([])
    works(worker, 0.1)
    assert uses.take([]) == ()  # not looked at this time
    works(worker, 0.1)
    found = uses.take([])
    (stranger,) = [use for use in found if use.pid == worker]
    assert (stranger.owner, stranger.project) == ("", "")
    assert (stranger.cpu_s or 0) > 0


def test_gpu_time_is_the_difference_and_unknown_at_first():
    own = os.getpid()
    told = iter([{own: 10.0}, {own: 10.75, 1: 5.0}])
    uses, mine = Uses(lambda: next(told)), tag(own, "run:gpu")
    assert [use.gpu_s for use in uses.take([mine]) if use.pid == own] == [None]
    assert [use.gpu_s for use in uses.take([mine]) if use.pid == own] == [0.75]


def test_without_a_teller_gpu_time_is_unknown_and_not_zero():
    uses, mine = Uses(), tag(os.getpid())
    uses.take([mine])
    assert {use.gpu_s for use in uses.take([mine])} == {None}
