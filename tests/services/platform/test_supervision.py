import contextlib
import os
import signal
import socket

import psutil
import pytest

from services.platform import processes
from services.platform import state as states
from services.platform.engines import EngineSpec
from services.platform.keeper import Pace
from services.platform.probes import HttpProbe
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


def ours(home):
    return processes.living(processes.marked(home.root))


def test_engines_come_up_together_and_nothing_is_left_after_the_end(home):
    specs = [small_spec("small", free_port(), "--child"), small_spec("other", free_port())]
    with kept(home, *specs) as supervisor:
        assert live(supervisor, "small").url == specs[0].url
        live(supervisor, "other")
        wait_until(lambda: len(noted(home).members) == 2)
    assert ours(home) == []
    assert noted(home).phase == "stopped"
    assert noted(home).leader is None
    assert states.load(home.run / "state.json").supervisor is None


def test_a_killed_engine_is_started_again_with_its_worker_gone(home):
    with kept(home, small_spec("small", free_port(), "--child")) as supervisor:
        first = wait_until(lambda: len((now := live(supervisor)).members) == 2 and now)
        os.kill(first.leader.pid, signal.SIGKILL)
        second = wait_until(
            lambda: (
                (now := engine(supervisor)).phase == "live" and now.leader != first.leader and now
            )
        )
        assert second.ends == 1
        assert not any(member.alive for member in first.members)


def test_an_engine_that_ignores_the_request_to_end_is_killed(home):
    with kept(home, small_spec("small", free_port(), "--ignore-term")) as supervisor:
        leader = live(supervisor).leader
    assert not leader.alive


def test_a_stopped_engine_is_ended_too(home):
    with kept(home, small_spec("small", free_port())) as supervisor:
        leader = live(supervisor).leader
        os.kill(leader.pid, signal.SIGSTOP)
    assert not leader.alive


def test_a_worker_in_a_session_of_its_own_is_ended_with_its_engine(home):
    with kept(home, small_spec("small", free_port(), "--detached-child")) as supervisor:
        members = wait_until(lambda: len((now := live(supervisor)).members) == 2 and now.members)
    assert not any(member.alive for member in members)


def test_a_crash_loop_backs_off_and_says_why(home):
    with kept(home, small_spec("small", free_port(), "--end-after", "0")) as supervisor:
        failing = wait_until(lambda: (now := engine(supervisor)).phase == "failing" and now)
        assert "exit code 3" in failing.detail
        assert "3 times in a row" in failing.detail
        assert "something is missing" in failing.last_lines
        wait_until(lambda: engine(supervisor).ends > failing.ends)


def test_waits_grow_to_a_cap():
    pace = Pace(first_wait_s=1, longest_wait_s=60)
    assert [pace.wait_s(ends) for ends in (1, 2, 3, 6, 7, 400)] == [1, 2, 4, 32, 60, 60]


def test_a_long_life_makes_the_next_end_the_first(home):
    pace = Pace(
        asked_starting_s=0.02, asked_live_s=0.02, looked_s=0.02, first_wait_s=0.01, stable_s=0
    )
    with kept(home, small_spec("small", free_port()), pace=pace) as supervisor:
        for ends in (1, 2, 3):
            os.kill(live(supervisor).leader.pid, signal.SIGKILL)
            wait_until(lambda ends=ends: engine(supervisor).ends == ends)
            assert "in a row" not in engine(supervisor).detail
            wait_until(lambda: engine(supervisor).phase == "live")


def test_a_program_that_does_not_exist_is_said(home):
    spec = EngineSpec("small", "Small", HttpProbe("http://127.0.0.1:9/"), ("/no/such/program",))
    with kept(home, spec) as supervisor:
        waiting = wait_until(lambda: (now := engine(supervisor)).phase == "waiting" and now)
        assert "/no/such/program could not be started" in waiting.detail


def test_a_port_somebody_took_is_said_with_who(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with kept(home, small_spec("small", port)) as supervisor:
            waiting = wait_until(lambda: (now := engine(supervisor)).phase == "waiting" and now)
            assert f"Port {port} is taken by" in waiting.detail
            assert f"pid {os.getpid()}" in waiting.detail


def test_an_engine_that_stops_answering_is_first_said_then_started_again(home, tmp_path):
    mute = tmp_path / "mute"
    with kept(home, small_spec("small", free_port(), "--mute", str(mute))) as supervisor:
        first = live(supervisor)
        mute.touch()
        told = wait_until(lambda: (now := engine(supervisor)).phase == "unresponsive" and now)
        assert "503" in told.detail
        wait_until(lambda: engine(supervisor).leader not in {first.leader, None})
        mute.unlink()
        live(supervisor)


def test_an_engine_that_never_gets_ready_is_started_again(home, tmp_path):
    mute = tmp_path / "mute"
    mute.touch()
    spec = small_spec("small", free_port(), "--mute", str(mute), start_timeout_s=0.4)
    with kept(home, spec) as supervisor:
        told = wait_until(lambda: (now := engine(supervisor)).phase == "waiting" and now)
        assert "not ready within" in told.detail
        assert told.answered_at is None


def test_a_request_starts_an_engine_again_at_once(home):
    with kept(home, small_spec("small", free_port())) as supervisor:
        first = live(supervisor)
        (home.run / "requests").mkdir()
        (home.run / "requests" / "restart-small").touch()
        (home.run / "requests" / "restart-nonsense").touch()
        wait_until(
            lambda: (now := engine(supervisor)).phase == "live" and now.leader != first.leader
        )
        assert engine(supervisor).ends == 0
        assert list((home.run / "requests").iterdir()) == []


def test_an_engine_of_somebody_else_is_asked_and_never_ended(home):
    port = free_port()
    foreign = small_spec("small", port)
    process = psutil.Popen(foreign.argv)
    try:
        spec = EngineSpec("small", "Small", foreign.ready, url=foreign.url)
        with kept(home, spec) as supervisor:
            assert live(supervisor).external
            assert engine(supervisor).leader is None
        assert process.is_running()
        assert process.status() != psutil.STATUS_ZOMBIE
        with kept(home, spec) as supervisor:
            live(supervisor)
            process.kill()
            process.wait(10)
            told = wait_until(lambda: (now := engine(supervisor)).phase == "unresponsive" and now)
            assert "does not answer" in told.detail
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait(10)


def test_a_full_log_is_cut_while_its_engine_goes_on(home, monkeypatch):
    monkeypatch.setattr("services.platform.supervisor._ROTATE_EVERY_S", 0.05)
    monkeypatch.setattr("services.platform.logs.LIMIT_BYTES", 20)
    log = home.logs / "small.log"
    with kept(home, small_spec("small", free_port())) as supervisor:
        live(supervisor)
        wait_until(lambda: log.with_name("small.log.1").exists())
        wait_until(lambda: log.read_bytes().startswith(b"asked"))
        assert b"\0" not in log.read_bytes()


def test_a_worker_nobody_counted_is_found_by_its_mark(home, tmp_path):
    """Its engine died before it was ever counted, and it left group and session."""
    mute = tmp_path / "mute"
    mute.touch()
    flags = ("--detached-child", "--mute", str(mute))
    with kept(home, small_spec("small", free_port(), *flags)) as supervisor:
        first = wait_until(lambda: (now := engine(supervisor)).leader and now)
        worker = wait_until(
            lambda: next((p for p in ours(home) if p.pid != first.leader.pid), None)
        )
        os.kill(first.leader.pid, signal.SIGKILL)
        wait_until(lambda: engine(supervisor).ends == 1)
        assert processes.living([worker]) == []
