"""The application in this process: what cannot be logged, bugs, hosts, and the access log."""

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.errors import PlatformError
from services.gateway import server
from services.gateway.app import App, allowed_hosts
from services.gateway.http import Request
from services.gateway.keys import KeyRing
from services.gateway.logs import PER_S, AccessLog
from services.gateway.machine import Machine
from services.gateway.recording import Recorder
from services.home import Home
from services.predictions.models import Feedback, Record
from services.serving import store
from tests.services.gateway.lab import Lab, info

ASKED = {"columns": {"x": [[1, 2, 3, 4]]}}


class Sink:
    """A prediction log in memory, or on a full disk."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.kept: list[tuple[Record | Feedback, dict[str, Any]]] = []

    def append(self, record: Record | Feedback, **how: Any) -> None:
        if self.full:
            raise PlatformError("The disk is full.", "Free some space.")
        self.kept.append((record, how))

    append_feedback = append

    def close(self) -> None:
        """Nothing to close."""


class State:
    """A machine that is warm and takes ten watts."""

    host = "mac-1"

    def now(self) -> dict[str, float]:
        return {"thermal_level": 1.0}

    def energy_j(self, busy_s: float | None) -> float | None:
        return None if busy_s is None else 10 * busy_s


def asked(
    lab: Lab,
    sink: Sink,
    ask: Callable[[httpx.AsyncClient], Awaitable[None]],
    *,
    break_it: bool = False,
) -> None:
    """Serve the lab's endpoints from this process, with another prediction log."""

    async def work() -> None:
        keys = KeyRing(lambda: store.keys(lab.journal))
        keys.look()
        gateway = server.build(lab.home, keys, Recorder(sink, State()))
        gateway.follower.look()
        if break_it:
            gateway.asker = None  # type: ignore[assignment]
        app = App(gateway, allowed_hosts("127.0.0.1"), AccessLog(open(os.devnull, "w")))  # noqa: SIM115, PTH123
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        headers = {"X-API-Key": lab.key}
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", headers=headers
            ) as client:
                await ask(client)
        finally:
            await gateway.shadows.close()
            await gateway.readers.close()
            gateway.pool.close()
            app._log._stream.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work()).result()


@pytest.mark.engine
def test_a_prediction_is_kept_with_all_that_is_known_of_it(lab: Lab):
    sink = Sink()

    async def ask(client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict/lab/rows", json=ASKED)
        record, how = sink.kept[0]
        assert isinstance(record, Record)
        assert record.id == answer.headers["x-request-id"]
        assert (record.project, record.model, record.version) == ("lab", "rows", 1)
        assert (record.api, record.status, record.rows, record.key_id) == (
            "plain",
            200,
            1,
            lab.key_id,
        )
        assert (record.model_ms, record.queue_ms, record.backend) == (1.0, 0.5, "cpu")
        assert (record.host, record.host_state) == ("mac-1", {"thermal_level": 1.0})
        assert record.energy_j == pytest.approx(0.01)  # ten watts for a millisecond
        assert record.latency_ms > 0
        assert record.inputs is not None
        assert record.outputs is not None
        assert record.inputs["x"].tolist() == [[1, 2, 3, 4]]
        assert record.outputs["y"].tolist() == [20.0]
        assert how == {"privacy": "full", "sample": 1.0}
        told = await client.post(f"/feedback/{record.id}", json={"label": {"y": 21}})
        assert told.status_code == 202
        feedback, how = sink.kept[1]
        assert isinstance(feedback, Feedback)
        assert (feedback.id, feedback.label, feedback.project) == (record.id, {"y": 21}, "lab")
        assert how == {"privacy": "full"}

    asked(lab, sink, ask)


@pytest.mark.engine
def test_feedback_with_a_key_of_all_projects_is_of_any_project(lab: Lab):
    sink, key = Sink(), lab.new_key(store.ALL_PROJECTS)

    async def ask(client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict/lab/rows", json=ASKED)
        mark = answer.headers["x-request-id"]
        told = await client.post(f"/feedback/{mark}", json={"label": 1}, headers={"X-API-Key": key})
        assert told.status_code == 202
        feedback, _ = sink.kept[1]
        assert isinstance(feedback, Feedback)
        assert (feedback.id, feedback.project) == (mark, "")

    asked(lab, sink, ask)


@pytest.mark.engine
def test_bad_input_is_no_prediction(lab: Lab):
    sink = Sink()

    async def ask(client: httpx.AsyncClient) -> None:
        await client.post("/predict/lab/rows", json={"rows": [{"x": 1}]})
        assert sink.kept == []
        text = {"model": "lab.text", "prompt": "a b", "max_tokens": 2}
        for stream in (False, True):
            await client.post("/v1/completions", json={**text, "stream": stream})
        for record, _ in sink.kept:
            assert isinstance(record, Record)
            assert (record.api, record.outputs) == ("openai", {"text": [" b once"]})
        assert len(sink.kept) == 2

    asked(lab, sink, ask)


@pytest.mark.engine
def test_what_cannot_be_logged_is_not_answered(lab: Lab):
    async def ask(client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict/lab/rows", json=ASKED)
        assert answer.status_code == 503
        assert "Free some space" in answer.json()["detail"]
        assert "20" not in answer.text.replace(answer.headers["x-request-id"], "")
        told = await client.post(f"/feedback/{answer.headers['x-request-id']}", json={"label": 1})
        assert told.status_code == 503
        streamed = await client.post(
            "/v1/completions", json={"model": "lab.text", "prompt": "a", "stream": True}
        )
        assert "[DONE]" not in streamed.text  # the last byte stays away
        assert '"code":"away"' in streamed.text

    asked(lab, Sink(full=True), ask)


@pytest.mark.engine
def test_a_bug_is_told_as_a_problem_without_its_insides(lab: Lab):
    async def ask(client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict/lab/rows", json=ASKED)
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:mlops:problem:bug")
        assert "NoneType" not in answer.text

    asked(lab, Sink(), ask, break_it=True)


def test_names_of_this_machine_and_those_configured_are_answered_for():
    assert allowed_hosts("127.0.0.1") == {"127.0.0.1", "localhost", "[::1]"}
    assert "10.0.0.5" in allowed_hosts("10.0.0.5", ("Models.Example",))
    assert "models.example" in allowed_hosts("10.0.0.5", ("Models.Example",))
    assert "[fd00::1]" in allowed_hosts("fd00::1")
    everywhere = "0.0.0.0"  # noqa: S104 - compared, not bound
    assert everywhere not in allowed_hosts(everywhere)


def request() -> Request:
    async def nothing() -> dict[str, Any]:
        return {}

    return Request({"method": "GET", "raw_path": b"/v2", "headers": []}, nothing)


def test_the_access_log_leaves_lines_out_under_load_and_says_so(tmp_path: Path):
    path = tmp_path / "log"
    with path.open("w") as stream:
        log = AccessLog(stream)
        for status in (200, 500):
            for _ in range(PER_S + 50):
                one = request()
                one.seen.status = status
                log.request(one, "/v2")
        log._turn(int(time.time()) + 1)
        log.stop()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    counted = sum(line.get("left_out", 0) for line in lines)
    written = sum("route" in line for line in lines)
    assert written + counted == 2 * (PER_S + 50)
    assert counted > 0


def test_an_access_log_that_nobody_reads_holds_nobody_up():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        log = AccessLog(stream)
        one = request()
        one.seen.status = 200
        log.request(one, "/v2")
        log.stop()


def test_of_a_machine_without_telemetry_nothing_is_said(tmp_path: Path):
    home = Home(tmp_path)
    home.create()
    machine = Machine(home)
    machine.start()
    machine.stop()
    assert machine.host
    assert machine.now() is None
    assert machine.energy_j(1.0) is None


@pytest.mark.engine
def test_a_taken_port_is_a_sentence(lab: Lab):
    with pytest.raises(PlatformError, match="cannot listen"):
        server.sockets("127.0.0.1", lab.port)


def test_an_access_log_whose_pipe_is_full_lets_the_gateway_end(monkeypatch):
    monkeypatch.setattr("services.gateway.logs._END_S", 0.05)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as stream:
        log = AccessLog(stream)
        log.start()
        one = request()
        one.seen.status = 200
        log.request(one, "/v2")
        ending = threading.Thread(target=log.stop, daemon=True)
        ending.start()
        ending.join(20)
        ended = not ending.is_alive()
        with open(reader, "rb") as said:  # noqa: PTH123 - a handle
            while b"route" not in said.read1():
                pass
        log._thread.join()
    assert ended


def test_routes_that_were_read_again_are_not_compared_for_each_request(tmp_path: Path):
    gateway = server.build(Home(tmp_path), KeyRing(tuple), Recorder(Sink()))
    before, after = info("rows"), info("rows")
    gateway.contract(before)
    made = gateway.contract(after)
    assert made.info is after
    assert gateway.contract(after) is made
