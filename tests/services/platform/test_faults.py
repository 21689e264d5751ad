"""What happens when the supervisor dies, the disk is full, or its files are nonsense."""

import os
import resource
import signal

import pytest

from services.errors import PlatformError
from services.platform import control, lock, processes
from services.platform.control import ALREADY_RUNS
from services.platform.files import write_json
from services.platform.status import status
from services.process_identity import Identity
from tests.services.platform.conftest import (
    engine,
    free_port,
    kept,
    live,
    noted,
    small_spec,
    wait_until,
)

pytestmark = pytest.mark.engine  # processes are started, killed and waited for


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr("services.platform.control._LEFTOVER_TIMEOUT_S", 0.3)


def all_up(home, members=1):
    """Wait until the small engine is live with all its processes noted."""
    return wait_until(
        lambda: (now := noted(home)).phase == "live" and len(now.members) == members and now
    )


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def ours(home):
    return processes.living(processes.marked(home.root))


def state_of(home, name="small"):
    return next(one for one in status(home).engines if one.name == name)


def test_a_killed_supervisor_leaves_the_engine_running_and_the_next_adopts_it(
    home, platform_process
):
    port = free_port()
    first = platform_process(port)
    before = all_up(home)
    kill(first)
    assert before.leader.alive
    told = state_of(home)
    assert told.state == "stale"
    assert "adopts it" in told.detail
    platform_process(port)
    wait_until(lambda: state_of(home).state == "live")
    assert noted(home).leader == before.leader
    assert "adopted" in (home.logs / "supervisor.log").read_text()
    assert control.end(home).left == ()
    assert not before.leader.alive


def test_the_next_supervisor_replaces_an_engine_that_was_started_otherwise(home, platform_process):
    port = free_port()
    first = platform_process(port)
    before = all_up(home)
    kill(first)
    platform_process(port, "--child")
    now = wait_until(
        lambda: (now := noted(home)).phase == "live" and now.leader != before.leader and now
    )
    assert not before.leader.alive
    assert now.fingerprint != before.fingerprint


def test_after_a_killed_supervisor_down_leaves_nothing(home, platform_process):
    first = platform_process(free_port(), "--detached-child", "--ignore-term")
    before = all_up(home, members=2)
    kill(first)
    ended = control.end(home)
    assert ended.ran
    assert ended.left == ()
    assert not any(member.alive for member in before.members)
    assert ours(home) == []


@pytest.mark.slow
def test_a_worker_that_outlived_supervisor_and_engine_is_found(home, platform_process):
    port = free_port()
    first = platform_process(port, "--detached-child")
    before = all_up(home, members=2)
    kill(first)
    os.kill(before.leader.pid, signal.SIGKILL)
    wait_until(lambda: not before.leader.alive)
    assert any(member.alive for member in before.members)
    platform_process(port)
    wait_until(lambda: (now := noted(home)).phase == "live" and now.leader != before.leader)
    assert not any(member.alive for member in before.members)


def test_strays_are_found_by_their_mark_when_the_state_is_lost(home, platform_process):
    first = platform_process(free_port(), "--detached-child")
    before = all_up(home, members=2)
    kill(first)
    (home.run / "state.json").write_text("{ garbage")
    assert state_of(home, "mlflow").state == "never"
    assert "cannot be read" in status(home).problem
    assert control.end(home).left == ()
    assert not any(member.alive for member in before.members)
    assert [path.name for path in home.run.glob("state.json.broken-*")]


def test_the_next_supervisor_ends_strays_of_a_lost_state(home, platform_process):
    port = free_port()
    first = platform_process(port)
    before = all_up(home)
    kill(first)
    (home.run / "state.json").unlink()
    platform_process(port)
    now = all_up(home)
    assert now.leader != before.leader
    assert not before.leader.alive


def test_sigterm_to_the_supervisor_ends_everything(home, platform_process):
    first = platform_process(free_port(), "--child")
    before = all_up(home, members=2)
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(20) == 0
    assert not any(member.alive for member in before.members)
    assert ours(home) == []


def test_a_second_supervisor_goes_away_and_disturbs_nothing(home, platform_process):
    port = free_port()
    first = platform_process(port)
    before = all_up(home)
    assert platform_process(port).wait(20) == ALREADY_RUNS
    assert control.running(home).pid == first.pid
    assert noted(home).leader == before.leader
    assert before.leader.alive


def test_a_lock_whose_holder_died_is_free(home, platform_process):
    first = platform_process(free_port())
    all_up(home)
    assert lock.is_held(home.run / "supervisor.lock")
    kill(first)
    assert not lock.is_held(home.run / "supervisor.lock")
    assert control.running(home) is None


@pytest.mark.parametrize(
    "garbage", ["", "null", "[1, 2]", "{", '{"engines": [3, {"name": 4}]}', "\x00\xff"]
)
def test_a_garbage_state_is_set_aside_and_the_platform_starts(home, garbage):
    (home.run / "state.json").write_text(garbage)
    with kept(home, small_spec("small", free_port())) as supervisor:
        live(supervisor)


def test_a_state_with_a_foreign_process_ends_nobody(home):
    """Ids are used again: after a reboot the recorded one may be anybody's."""
    mine = Identity.of(os.getpid())
    other = {"pid": mine.pid, "created": mine.created - 1000.0}
    document = {"engines": [{"name": "small", "leader": other, "members": [other]}]}
    write_json(home.run / "state.json", document)
    with kept(home, small_spec("small", free_port())) as supervisor:
        live(supervisor)
    assert mine.alive


def test_a_full_disk_while_the_state_is_written_is_said_and_nothing_is_lost(home):
    path = home.run / "state.json"
    write_json(path, {"a": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(PlatformError, match="disk is full"):
            write_json(path, {"a": "x" * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == '{\n "a": 1\n}'
    assert [one.name for one in home.run.iterdir()] == ["state.json"]


def test_engines_go_on_when_the_state_cannot_be_written(home, monkeypatch, caplog):
    def full(path, document, *, durable):
        raise PlatformError("The disk is full: state.json could not be written.")

    with kept(home, small_spec("small", free_port())) as supervisor:
        live(supervisor)
        with monkeypatch.context() as broken:
            broken.setattr("services.platform.supervisor.write_json", full)
            seen = engine(supervisor).answered_at
            wait_until(lambda: engine(supervisor).answered_at > seen)
        answered = engine(supervisor).answered_at
        wait_until(lambda: (noted(home).answered_at or 0) > answered)
    assert caplog.text.count("disk is full") == 1
