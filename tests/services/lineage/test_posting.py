"""Events over a real socket to a receiver of our own, under the guard over addresses."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.controller import lineage
from services.controller.lineage import LineageWatch
from services.errors import (
    EngineProtocolError,
    EngineRefusedError,
    EngineUnreachableError,
    MlopsError,
)
from services.home import Home
from services.lineage import posting
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests import lineage_seed as seed
from tests.lineage_seed import LORA

ALL = 30
"""Events of the scene: 12 of runs, 8 of workflow runs, 4 of versions, 6 of deployments."""
EVENTS = ({"eventType": "START"}, {"eventType": "COMPLETE"})


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.got: list[dict[str, object]] = []
        self.status = 201
        self.hangs_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v1/lineage?key=secret"


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.hangs_s)
        if self.server.status == 201:
            self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_each_event_arrives_in_order(receiver: Receiver):
    posting.post(EVENTS, receiver.url, private=True)
    assert receiver.got == list(EVENTS)


def test_an_address_of_this_machine_is_blocked_unless_it_is_allowed(receiver: Receiver):
    for to in (receiver.url, receiver.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(EngineRefusedError, match="private network or of this machine") as told:
            posting.post(EVENTS, to)
        assert "MLOPS_OPENLINEAGE_PRIVATE" in told.value.hint
        assert "secret" not in str(told.value)
    assert receiver.got == []


def test_where_clouds_keep_credentials_is_never_reached():
    with pytest.raises(EngineRefusedError, match="no address of one host"):
        posting.post(EVENTS, "http://169.254.169.254/latest", private=True)


@pytest.mark.parametrize(("status", "said"), [(503, "503"), (400, "400"), (307, "redirect")])
def test_one_that_says_no_or_leads_elsewhere_is_a_sentence(
    receiver: Receiver, status: int, said: str
):
    receiver.status = status
    with pytest.raises(EngineRefusedError, match=said) as told:
        posting.post(EVENTS, receiver.url, private=True)
    assert told.value.status == status
    assert "secret" not in str(told.value)


def test_one_that_hangs_or_is_away_is_a_sentence(receiver: Receiver):
    receiver.hangs_s = 5.0
    with pytest.raises(EngineUnreachableError, match="within 1 s"):
        posting.post(EVENTS, receiver.url, private=True, timeout_s=1.0)
    with pytest.raises(EngineUnreachableError, match="cannot be reached"):
        posting.post(EVENTS, "http://127.0.0.1:9/", private=True)


@pytest.mark.parametrize("to", ["http://", "http://[", "http://x\n/"])
def test_what_is_no_address_is_a_sentence(to: str):
    with pytest.raises(MlopsError):
        posting.post(EVENTS, to, private=True)


def test_a_process_that_answers_nothing_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineProtocolError, match="ended with 1"):
        posting.post(EVENTS, "http://m.example/", private=True)


def test_without_events_nobody_is_asked():
    posting.post((), "http://127.0.0.1:9/")


# The loop


@pytest.fixture
def watch(home: Home, mirror: Mirror, journal: Journal, receiver: Receiver) -> LineageWatch:
    return lineage.watch(home, mirror, journal, receiver.url, private=True)


def test_the_loop_sends_what_ended_since(watch: LineageWatch, mirror: Mirror, receiver: Receiver):
    watch.turn()
    assert len(receiver.got) == ALL
    watch.turn()
    assert len(receiver.got) == ALL
    Store(mirror.engine).write_runs(LORA, (seed.tracked("e" * 32, 5),))
    watch.turn()
    assert len(receiver.got) == ALL + 2


def test_a_receiver_that_was_away_gets_what_it_missed(
    watch: LineageWatch, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    now, asked = [0.0], []
    real = watch.post
    watch.clock = lambda: now[0]
    watch.post = lambda events, to: (asked.append(now[0]), real(events, to))[1]
    receiver.status = 503
    for second in range(0, 120, 5):
        now[0] = float(second)
        with pytest.raises(EngineRefusedError):
            watch.turn()
    assert asked == [0.0, 15.0, 45.0, 105.0]
    receiver.status = 201
    now[0] = 300.0
    watch.turn()
    assert len(receiver.got) == ALL


def test_without_a_place_there_is_no_loop(home: Home, monkeypatch: pytest.MonkeyPatch):
    from services.controller.__main__ import _lineage
    from services.settings import Settings

    assert _lineage(home, Settings(), None, None) == []  # type: ignore[arg-type]
    monkeypatch.setenv("MLOPS_OPENLINEAGE_TO", str(Path("/tmp/x")))
    opened = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    mirror = Mirror(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    assert [one.name for one in _lineage(home, Settings(), mirror, opened)] == ["lineage"]
    opened.close()
