import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from services.engines.silicon.models import Sample
from services.engines.silicon.provider import measured
from services.errors import (
    EngineProtocolError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
)
from services.telemetry import agent as agents
from services.telemetry import batches, tokens
from services.telemetry import spool as spooling
from services.telemetry.agent import Agent
from services.telemetry.batches import pack
from services.telemetry.collector import Collector, Taken
from services.telemetry.spool import Spool
from tests.services.telemetry.collecting import collecting, free_port
from tests.services.telemetry.machines import MAC, Prepared, host

pytestmark = pytest.mark.engine  # real processes and servers

INTERVAL_S = 0.05


def eventually(what: Callable[[], object], timeout_s: float = 20.0) -> object:
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return found


@dataclass
class Working:
    """An agent in threads of this process, and the times of all samples it took."""

    agent: Agent
    spool: Spool
    said: list[str]
    taken: list[datetime] = field(default_factory=list)

    def has_said(self, words: str) -> bool:
        return any(words in sentence for sentence in self.said)


@contextlib.contextmanager
def working(folder: Path, port: int, token: str, *, join: bool = True):
    said: list[str] = []
    spool = Spool(folder / "spool")
    provider = Prepared(measured("cpu_w", 4.0, "macmon"))
    collector = Collector(f"http://127.0.0.1:{port}", token)
    agent = Agent(host(provider), folder, spool, collector, said.append, interval_s=INTERVAL_S)
    made = Working(agent, spool, said)
    add = spool.add

    def noted(line: bytes) -> None:
        made.taken.append(datetime.fromisoformat(line.split(b'"')[3].decode()))
        add(line)

    spool.add = noted  # type: ignore[method-assign]
    ended = threading.Event()
    thread = threading.Thread(target=agent.run, args=(ended,))
    try:
        if join:
            agent.join()
        thread.start()
        yield made
    finally:
        ended.set()
        if thread.ident:
            thread.join(20)
        collector.close()
        spool.close()
        assert provider.closed or not thread.ident


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(agents, "_LONGEST_WAIT_S", 0.2)


def test_a_machine_is_seen_as_soon_as_it_joins_and_then_live(tmp_path):
    with collecting(tmp_path) as there, working(tmp_path, there.port, there.token("b")) as here:
        assert here.said == [here.said[0]]
        assert here.said[0].endswith(f"mac-b reports to {there.url} every 0.05 s.")
        eventually(lambda: len(here.taken) > 10)
        eventually(lambda: here.spool.waiting == 0)
        (state,) = there.latest.hosts()
        assert state.machine == MAC
        assert state.sample.reading("cpu_w").value == 4.0
    with collecting(tmp_path, port=there.port) as again:
        assert set(here.taken) - set(again.kept("mac-b")) == set()


def test_through_an_outage_nothing_is_lost_and_all_comes_once(tmp_path):
    port = free_port()
    token = tokens.make(tmp_path / "agents", "b")
    with working(tmp_path, port, token) as here:  # it is not there yet
        assert here.has_said("cannot be reached: Connection refused.")
        eventually(lambda: len(here.taken) > 5)
        with collecting(tmp_path, port=port):
            eventually(lambda: here.spool.waiting == 0)
            assert here.has_said("samples that had waited were sent")
            eventually(lambda: len(here.taken) > 20)
        eventually(lambda: here.spool.waiting > 10)
        with collecting(tmp_path, port=port) as there:
            eventually(lambda: here.spool.waiting == 0)
            seen = list(here.taken)
            kept = there.kept("mac-b")
            assert set(seen) - set(kept) == set()
            assert len(kept) == len(set(kept))
            assert list(kept) == sorted(kept)
    assert sum("Connection refused" in one for one in here.said) == 2  # once an outage


def test_what_an_agent_left_behind_is_sent_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(spooling, "_PART_SAMPLES", 5)
    port, token = free_port(), tokens.make(tmp_path / "agents", "b")
    with working(tmp_path, port, token) as first:
        eventually(lambda: len(first.taken) > 12)  # closed parts, and an open one
    with collecting(tmp_path, port=port) as there, working(tmp_path, port, token) as second:
        eventually(lambda: second.taken and second.spool.waiting == 0)
        eventually(lambda: set(first.taken) <= set(there.kept("mac-b")))


def test_an_agent_with_a_wrong_token_says_so_at_once(tmp_path):
    with collecting(tmp_path) as there:
        there.token("b")
        with (
            pytest.raises(EngineRefusedError, match="never made here") as caught,
            working(tmp_path, there.port, "wrong"),
        ):
            raise AssertionError
        assert caught.value.status == 401
        assert there.latest.hosts() == ()


def test_a_token_that_ends_keeps_the_samples_until_there_is_another(tmp_path):
    with collecting(tmp_path) as there:
        with working(tmp_path, there.port, there.token("b")) as first:
            eventually(lambda: len(first.taken) > 3)
            tokens.revoke(there.folder / "agents", "b")
            eventually(lambda: first.has_said("has ended"))
            eventually(lambda: first.spool.waiting > 3)
        with working(tmp_path, there.port, there.token("b")) as second:
            eventually(lambda: second.taken and second.spool.waiting == 0)
            assert set(first.taken) <= set(there.kept("mac-b"))


def test_what_the_other_end_cannot_read_is_put_aside_and_costs_no_other(tmp_path):
    with collecting(tmp_path) as there, working(tmp_path, there.port, there.token("b")) as here:
        here.spool._lines.append(b'{"at": "today"}')
        eventually(lambda: here.has_said("samples[0].at must be a time"))
        eventually(lambda: len(here.taken) > 8 and here.spool.waiting == 0)
        (aside,) = (tmp_path / "spool" / "refused").iterdir()
        assert aside.read_bytes() == b'{"at": "today"}'
        assert set(here.taken) <= set(there.kept("mac-b"))


def test_a_provider_with_a_bug_is_a_sentence_and_the_agent_goes_on(tmp_path, caplog):
    with collecting(tmp_path) as there, working(tmp_path, there.port, there.token("b")) as here:
        provider = here.agent._host._links[0].provider
        eventually(lambda: len(here.taken) > 2)
        provider.readings_now = KeyError("power")
        eventually(lambda: here.has_said("No sample could be taken: KeyError: 'power'"))
        provider.readings_now = (measured("cpu_w", 5.0, "macmon"),)
        before = len(here.taken)
        eventually(lambda: len(here.taken) > before + 2)
        assert sum("A sample could not be taken." in one.message for one in caplog.records) == 1


@pytest.mark.parametrize(
    "url", ["", "mac-a", "ftp://mac-a", "http://", "http://mac-a:port", "http://mac-a:99999"]
)
def test_what_is_no_address_is_a_sentence(url):
    with pytest.raises(InputError, match="no address of a platform"):
        Collector(url, "t")


def test_without_tls_beyond_this_machine_it_is_in_the_clear():
    for url, clear in (("http://mac-a:9470", True), ("https://mac-a", False),
                       ("http://127.0.0.1:1", False), ("http://[::1]:1", False)):  # fmt: skip
        assert Collector(url, "t").in_the_clear is clear


def test_a_kept_connection_that_ended_meanwhile_is_no_outage(tmp_path):
    token, port = tokens.make(tmp_path / "agents", "b"), free_port()
    collector = Collector(f"http://127.0.0.1:{port}", token)
    for _ in range(2):  # the second time on a connection of a server that is gone
        with collecting(tmp_path, port=port):
            assert collector.send(pack(MAC, (), ())) == Taken(0)
    collector.close()


@contextlib.contextmanager
def answering(said: bytes):
    """Answer every connection with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError), server.accept()[0] as one:
                    one.recv(65536)
                    one.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            with contextlib.suppress(OSError):
                socket.create_connection(server.getsockname()).close()
            thread.join(5)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", EngineProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>", EngineProtocolError),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", EngineProtocolError),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", EngineRefusedError),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", EngineUnreachableError),
        (b"garbage\r\n\r\n", EngineUnreachableError),
        (b"", EngineUnreachableError),
    ],
)
def test_whatever_answers_there_is_a_sentence(said, kind):
    with answering(said) as url:
        collector = Collector(url, "t")
        with pytest.raises(kind):
            collector.send(b"x")
        collector.close()


def test_an_agent_at_a_wrong_address_keeps_its_samples(tmp_path):
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        port = int(url.rpartition(":")[2])
        with working(tmp_path, port, "t") as here:
            eventually(lambda: here.spool.waiting > 3)
        assert here.has_said("is no telemetry of this platform")


def test_a_clock_that_is_behind_is_said_once_and_nothing_lands_in_the_past(tmp_path, monkeypatch):
    port = free_port()
    token = tokens.make(tmp_path / "agents", "b")
    wrong = timedelta(hours=3, minutes=1)
    monkeypatch.setattr(agents, "datetime", clock := Clock(-wrong))
    with collecting(tmp_path, port=port) as there, working(tmp_path, port, token) as here:
        assert "The clock of mac-b is about 3 hours behind that of the machine" in here.said[0]
        assert "no sample is kept" in here.said[0]
        time.sleep(0.5)
        assert len(here.said) == 1
        assert "mac-b is about 3 hours behind" in there.intake.problem
        assert there.latest.hosts() == ()
        assert here.taken == []
        clock.off = timedelta()
        eventually(lambda: len(here.taken) > 5)
        eventually(lambda: here.spool.waiting == 0)
        assert there.intake.problem == ""
        assert set(here.taken) - set(there.kept("mac-b")) == set()
        (state,) = there.latest.hosts()
        assert state.refused == 0


def test_a_clock_that_goes_wrong_under_way_keeps_what_was_taken_before(tmp_path, monkeypatch):
    port = free_port()
    token = tokens.make(tmp_path / "agents", "b")
    monkeypatch.setattr(agents, "datetime", clock := Clock(timedelta()))
    with working(tmp_path, port, token) as here:  # nobody is there yet
        eventually(lambda: len(here.taken) > 5)
        clock.off = timedelta(days=40)
        with collecting(tmp_path, port=port) as there:
            eventually(lambda: here.has_said("about 40 days ahead of"))
            taken = list(here.taken)
            time.sleep(0.3)
            assert len(here.taken) - len(taken) <= 1
            assert here.spool.waiting >= len(taken)
            clock.off = timedelta()
            eventually(lambda: here.spool.waiting == 0)
            assert set(here.taken) - set(there.kept("mac-b")) == set()


def test_samples_refused_one_by_one_are_said_once(tmp_path):
    with collecting(tmp_path) as there, working(tmp_path, there.port, there.token("b")) as here:
        eventually(lambda: len(here.taken) > 2)
        soon = datetime.now(UTC) + timedelta(hours=1)
        for second in range(5):
            line = batches.encode(Sample(MAC.host, soon + timedelta(seconds=second), 2.0, ()))
            here.spool.add(line)
            eventually(lambda: here.spool.waiting == 0)
        assert sum("still to come" in one for one in here.said) == 1


class Clock:
    """The agent's clock on the wall, as far off as a test wants."""

    def __init__(self, off: timedelta) -> None:
        self.off = off

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self.off
