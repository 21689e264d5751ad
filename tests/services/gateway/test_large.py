"""Large JSON is read elsewhere: the same answers and refusals, and nobody waits for it."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from services.gateway.apart import INLINE_BYTES, LARGE
from services.predictions.models import Record
from services.predictions.privacy import COLUMNS_BYTES
from tests.live import eventually
from tests.services.gateway.lab import Lab
from tests.services.gateway.test_app import Sink, asked

pytestmark = pytest.mark.engine
PLAIN, OIP, CHAT = "/predict/lab/rows", "/v2/models/lab.rows/infer", "/v1/completions"
SPACES = b" " * (INLINE_BYTES + 1)
"""Behind a body they change nothing, but where it is read."""


def tensor(**said: object) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]} | said


BODIES: dict[str, tuple[str, object]] = {
    "columns": (PLAIN, {"columns": {"x": [[1, 2, 3, 4], [5, 6, 7, 8]]}}),
    "rows": (PLAIN, {"rows": [{"x": [1, 2, 3, 4]}, {"x": [5, 6, 7, 8.5]}]}),
    "tensors": (OIP, {"id": "mine", "inputs": [tensor()], "outputs": [{"name": "y"}]}),
    "binary answer": (OIP, {"inputs": [tensor()], "parameters": {"binary_data_output": True}}),
    "parameters": (PLAIN, {"rows": [{"x": [1, 2, 3, 4]}], "parameters": {"a": 1}}),
    "texts": ("/predict/lab/classify", {"rows": [{"text": "Who?"}, {"text": "\u00fc"}]}),
    "embeddings": ("/v1/embeddings", {"model": "lab.embed", "input": ["a", "b"]}),
    "strange member": (PLAIN, {"rows": [], "x": 1}),
    "no rows": (PLAIN, {"rows": []}),
    "uneven rows": (PLAIN, {"rows": [{"x": [1, 2, 3, 4]}, {}]}),
    "uneven lists": (PLAIN, {"columns": {"x": [[1, 2], [3]]}}),
    "strange column": (PLAIN, {"rows": [{"z": 1}]}),
    "too much": (PLAIN, {"columns": {"x": [[1, 2, 3, 1001]]}}),
    "a text": (PLAIN, {"columns": {"x": [[1, 2, 3, "a"]]}}),
    "huge number": (PLAIN, b'{"columns": {"x": [[1, 2, 3, 1e999]]}}'),
    "long number": (PLAIN, b'{"columns": {"x": [[1, 2, 3, ' + b"9" * 5000 + b"]]}}"),
    "NaN": (PLAIN, b'{"columns": {"x": [[1, 2, 3, NaN]]}}'),
    "deep": (PLAIN, b'{"columns": {"x": ' + b"[" * 1020 + b"]" * 1020 + b"}}"),
    "deeper": (PLAIN, b"[" * 5000),
    "no object": (PLAIN, b"[1]"),
    "no JSON": (OIP, b'{"inputs": }'),
    "no inputs": (OIP, {"inputs": []}),
    "strange output": (OIP, {"inputs": [tensor()], "outputs": [{"name": "z"}]}),
    "strange type": (OIP, {"inputs": [tensor(datatype="FP64")]}),
}


@dataclass(frozen=True)
class Said:
    status: int
    body: bytes
    version: str | None
    length: str | None


def said(client: httpx.Client, path: str, body: bytes) -> Said:
    headers = {"X-Request-Id": f"{time.time_ns() // 1_000_000:012x}7" + "0" * 3 + "8" + "0" * 15}
    answer = client.post(path, content=body, headers=headers)
    content = answer.content.replace(headers["X-Request-Id"].encode(), b"ID")
    told = answer.headers
    length = told.get("inference-header-content-length")
    return Said(answer.status_code, content, told.get("x-model-version"), length)


@pytest.mark.parametrize("case", BODIES)
def test_it_is_answered_or_refused_as_if_it_were_small(lab: Lab, case: str):
    path, given = BODIES[case]
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    with lab.client() as client:
        small, large = said(client, path, body), said(client, path, body + SPACES)
    assert small == large
    assert small.status in {200, 400}


def test_binary_tensors_behind_large_json_are_found(lab: Lab):
    head = json.dumps({"inputs": [tensor(parameters={"binary_data_size": 16}, data=None)]}).encode()
    head += SPACES
    headers = {"Inference-Header-Content-Length": str(len(head))}
    with lab.client() as client:
        answer = client.post(OIP, content=head + bytes(16), headers=headers)
        assert answer.json()["outputs"][0]["data"] == [0.0]
        answer = client.post(OIP, content=head + bytes(15), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "inputs.x")


def test_the_prediction_log_gets_it_as_of_a_small_one(lab: Lab):
    sink = Sink()
    rows = [[1, 2, 3, 4]] * 20_000
    over = [[1.5, 2.5, 3.5, 4.5]] * (COLUMNS_BYTES // 16)

    async def ask(client: httpx.AsyncClient) -> None:
        for given in (rows, over):
            body = json.dumps({"columns": {"x": given}}, separators=(",", ":")).encode()
            assert len(body) > INLINE_BYTES
            answer = await client.post(PLAIN, content=body)
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["columns"]["y"]) == len(given)

    asked(lab, sink, ask)
    kept, large = (one for one, _ in sink.kept)
    assert isinstance(kept, Record)
    assert isinstance(large, Record)
    assert kept.rows == 20_000
    assert isinstance(kept.inputs, bytes)
    assert json.loads(kept.inputs) == {"x": rows}
    assert large.inputs is LARGE


def readers(lab: Lab) -> list[psutil.Process]:
    assert lab.gateway is not None
    return psutil.Process(lab.gateway.pid).children()


def test_small_requests_do_not_wait_for_large_ones(lab: Lab):
    large = b'{"columns": {"x": [' + b",".join([b"[]"] * (5 << 20)) + b"]}}"
    waits = []
    with lab.client() as client, lab.client() as other, ThreadPoolExecutor(1) as thread:
        client.post(PLAIN, content=b'{"columns": {}}' + SPACES)  # the reader is up
        began = time.perf_counter()
        asked = thread.submit(other.post, PLAIN, content=large)
        while not asked.done():
            then = time.perf_counter()
            assert client.post(PLAIN, json=BODIES["columns"][1]).status_code == 200
            waits.append(time.perf_counter() - then)
        took = time.perf_counter() - began
    assert asked.result().status_code == 400
    assert max(waits) < took / 2, (max(waits), took)


def test_more_values_than_a_text_has_are_refused_unread(lab: Lab):
    body = b'{"model": "lab.text", "prompt": [' + b",".join([b"[]"] * 200_000) + b"]}"
    with lab.client() as client:
        answer = client.post(CHAT, content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")
        body = json.dumps({"model": "lab.embed", "input": ["a, b, " * 20_000]}).encode()
        assert client.post("/v1/embeddings", content=body).status_code == 200


def test_a_reader_that_is_killed_costs_one_request_at_most(lab: Lab):
    good = json.dumps(BODIES["columns"][1]).encode() + SPACES
    large = b'{"columns": {"x": [' + b",".join([b"[1,2,3,4]"] * (3 << 19)) + b"]}}"
    with lab.client() as client, lab.client() as other, ThreadPoolExecutor(1) as thread:
        assert client.post(PLAIN, content=good).status_code == 200
        for reader in readers(lab):
            reader.send_signal(signal.SIGSTOP)
        asked = thread.submit(other.post, PLAIN, content=large)
        time.sleep(0.3)
        for reader in readers(lab):
            reader.kill()
        assert asked.result().status_code == 503
        assert "retry-after" in asked.result().headers
        for _ in range(3):
            assert client.post(PLAIN, content=good).status_code == 200


def test_an_idle_reader_that_was_killed_is_not_asked(lab: Lab):
    good = json.dumps(BODIES["columns"][1]).encode() + SPACES
    with lab.client() as client:
        assert client.post(PLAIN, content=good).status_code == 200
        for reader in readers(lab):
            reader.kill()
        eventually(lambda: not readers(lab))
        assert client.post(PLAIN, content=good).status_code == 200


def test_readers_end_with_the_gateway(lab: Lab):
    good = json.dumps(BODIES["columns"][1]).encode() + SPACES
    with lab.client() as client:
        assert client.post(PLAIN, content=good).status_code == 200
    found = readers(lab)
    assert found
    assert lab.gateway is not None
    lab.gateway.kill()
    lab.gateway.wait()
    eventually(lambda: not any(one.is_running() for one in found))
    lab.start()
    with lab.client() as client:
        assert client.post(PLAIN, content=good).status_code == 200
    found = readers(lab)
    lab.stop()
    eventually(lambda: not any(one.is_running() for one in found))
    lab.start()


def test_a_reader_ends_when_nobody_asks_it(lab: Lab):
    words = [sys.executable, "-P", "-m", "services.gateway.reader"]
    done = subprocess.run(words, input=b"", capture_output=True, timeout=60, check=True)
    assert done.stdout == b""
