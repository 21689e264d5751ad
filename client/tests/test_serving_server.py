"""Model servers as they run: processes of their own, asked over their sockets."""

import json
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from mlops_client.serving.asking import AskError, Caller
from mlops_client.serving.frames import BODY_LIMIT, frame
from serving_bundles import CLASSIFIER, TEXT, classifier, column, imported, text, told, written
from serving_process import Served, command, environment, serving, socket_path

pytestmark = pytest.mark.engine

TOY = """
import os, sys, time
import numpy as np

print("the project prints")
os.write(1, b"and writes\\n")

def build(weights, config):
    def predict(columns):
        x = columns["x"]
        if config.get("exit"):
            sys.exit(3)
        time.sleep(float(x[0, 1]))
        return x[:, 0] * 2
    return predict

def failing(weights, config):
    raise ZeroDivisionError("no such thing")

def wrong(weights, config):
    return lambda columns: np.zeros(99)

class Slow:
    def count(self, text):
        return len(text)
    def stream(self, prompt, max_tokens, temperature=0.0, seed=None):
        for number in range(max_tokens):
            if max_tokens > 2:
                time.sleep(0.02)
            yield f"{number} "

def slow(weights, config):
    return Slow()
"""


def toy(folder: Path, config: dict[str, Any] | None = None, **changed: Any) -> tuple[Path, Path]:
    import mlx.core as mx

    project = folder / "project"
    project.mkdir()
    (project / "toy_serving.py").write_text(TOY)
    said = told(**{"batchable": False, **changed})
    return written(folder / "b", {"w": mx.zeros(1)}, config or {}, said), project


def rows(value: float = 1, seconds: float = 0) -> dict[str, np.ndarray]:
    return {"x": np.array([[value, seconds]], np.float32)}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = classifier(tmp_path_factory.mktemp("digits") / "b")
    with serving(folder, CLASSIFIER, "--memory-bytes", str(1 << 30)) as one:
        yield one


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(text(tmp_path_factory.mktemp("text") / "b"), TEXT) as one:
        yield one


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Served]:
    bundle, project = toy(tmp_path, stream="toy_serving:slow", interface="text")
    with serving(bundle, project, "--queue", "3") as one:
        yield one


def pixels(count: int = 1) -> dict[str, np.ndarray]:
    return {"pixels": np.random.default_rng(count).random((count, 64), np.float32)}


def test_it_says_that_it_is_ready_and_what_it_took(digits: Served):
    first = digits.first
    assert first["event"] == "ready"
    assert first["pid"] == digits.process.pid
    assert first["backend"] == "mlx"
    assert "MLX first" in first["backend_reason"]
    assert first["load_s"] > 0
    assert first["warm_s"] > 0
    memory = first["memory"]
    assert 0 < memory["mlx_active_bytes"] <= memory["mlx_peak_bytes"]
    assert 0 < memory["rss_bytes"] <= memory["peak_rss_bytes"] < 1 << 30


def test_only_its_user_may_ask(digits: Served):
    mode = digits.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_health_and_stats_are_answered(digits: Served):
    caller = digits.caller()
    assert caller.ask("health")[0]["state"] == "ready"
    before = digits.stats()
    caller.infer(pixels(3))
    after = digits.stats()
    assert after["requests"] - before["requests"] == 1
    assert after["rows"] - before["rows"] == 3
    assert after["busy_s"] > before["busy_s"]
    assert after["queue"] == 0
    assert after["working_s"] is None


def test_answers_are_those_of_the_project(digits: Served, tmp_path: Path):
    from mlops_client.serving.loading import load

    bundle = classifier(tmp_path / "b")  # the same weights
    with imported(CLASSIFIER):
        alone = load(bundle, root=CLASSIFIER).predict(pixels(50))
    answer = digits.caller().infer(pixels(50))
    assert answer["label"].tolist() == alone["label"].tolist()
    assert answer["label"].dtype == np.int64
    np.testing.assert_allclose(answer["confidence"], alone["confidence"], rtol=1e-5)


def test_many_callers_at_once_each_get_their_own_answer(digits: Served):
    expected = {n: digits.caller().infer(pixels(n))["confidence"] for n in range(1, 9)}
    before = digits.stats()

    def ask(number: int) -> None:
        with Caller(f"unix:{digits.socket}") as caller:
            for turn in range(50):
                size = 1 + (number + turn) % 8
                got = caller.infer(pixels(size))["confidence"]
                np.testing.assert_allclose(got, expected[size], rtol=1e-4)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    after = digits.stats()
    assert after["requests"] - before["requests"] == 400
    assert after["batches"] - before["batches"] < 400


def test_one_connection_carries_many_requests(digits: Served):
    caller = digits.caller()
    sent = {caller.send("infer", pixels(n % 5 + 1)): n % 5 + 1 for n in range(100)}
    for header, _ in caller.frames():
        assert header["ok"]
        assert header["outputs"][0]["shape"] == [sent.pop(header["id"])]
        assert set(header["timing"]) == {"queue_ms", "model_ms", "batch_rows", "share_ms"}
        if not sent:
            break


@pytest.mark.parametrize(
    ("columns", "field", "said"),
    [
        ({}, "pixels", "missing"),
        ({"pixels": np.zeros((1, 64))}, "pixels", "FP64, not FP32"),
        ({"pixels": np.zeros((1, 63), np.float32)}, "pixels", "shape"),
        ({"pixels": np.full((1, 64), np.nan, np.float32)}, "pixels", "finite"),
        ({"pixels": np.full((1, 64), 2, np.float32)}, "pixels", "above 1"),
        ({"pixel": np.zeros((1, 64), np.float32)}, "pixel", "no column"),
        ({"pixels": np.array(["a"], dtype=object)}, "pixels", "BYTES, not FP32"),
        ({"pixels": np.zeros((0, 64), np.float32)}, "pixels", "No row"),
    ],
)
def test_bad_input_is_told_with_its_column_and_the_connection_goes_on(
    digits: Served, columns: dict[str, np.ndarray], field: str, said: str
):
    caller = digits.caller()
    with pytest.raises(AskError, match=said) as caught:
        caller.infer(columns)
    assert (caught.value.kind, caught.value.field) == ("input", field)
    assert len(caller.infer(pixels())["label"]) == 1


@pytest.mark.parametrize(
    "header",
    [
        {"op": "infer"},
        {"op": "infer", "inputs": 3},
        {"op": "infer", "inputs": [{"name": "pixels"}]},
        {"op": "infer", "inputs": [], "deadline_ms": "soon"},
        {"op": "dance"},
        {"op": ["infer"]},
        {},
        {"op": "stream", "parameters": [1]},
        {"op": "stream", "parameters": {"prompt": 3}},
        {"op": "stream", "parameters": {"prompt": "a", "max_tokens": 10**9}},
        {"op": "stream", "parameters": {"prompt": "a", "max_tokens": True}},
        {"op": "stream", "parameters": {"prompt": "a", "temperature": "hot"}},
        {"op": "stream", "parameters": {"prompt": "a", "stop": 3}},
        {"op": "stream", "parameters": {"prompt": "a", "stop": ["x"] * 17}},
        {"op": "stream", "parameters": {"prompt": "a", "seed": -1}},
        {"op": "stream", "parameters": {"prompt": "a"}},
    ],
)
def test_requests_that_make_no_sense_are_input_errors(digits: Served, header: dict[str, Any]):
    caller = digits.caller()
    caller.socket.sendall(frame({"id": 5, **header}))
    got, _ = next(caller.frames())
    assert got["id"] == 5
    assert got["last"]
    assert got["error"]["kind"] == "input"
    assert caller.ask("health")[0]["ok"]


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<II", 2, BODY_LIMIT + 1),
        struct.pack("<II", 0xFFFFFFFF, 0),
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<II", 3, 0) + b"abc",
        frame({"op": "health"}),
        frame({"id": "1", "op": "health"}),
    ],
)
def test_what_is_no_frame_ends_the_connection_and_not_the_server(digits: Served, raw: bytes):
    with digits.raw() as one:
        one.sendall(raw)
        assert one.recv(100) == b""
    assert digits.caller().ask("health")[0]["ok"]


def test_callers_that_leave_in_the_middle_leave_nothing_behind(digits: Served):
    whole = frame({"id": 1, "op": "infer", "inputs": []}, [b"x" * 1000])
    for cut in (1, 8, 20, len(whole) - 1):
        with digits.raw() as one:
            one.sendall(whole[:cut])
    for _ in range(20):
        with Caller(f"unix:{digits.socket}") as caller:
            caller.send("infer", pixels(200))
    until(lambda: digits.stats()["queue"] == 0)


def test_more_connections_than_allowed_are_closed_and_others_go_on(digits: Served):
    first = digits.caller()
    kept = [digits.raw() for _ in range(300)]
    assert any(one.recv(1) == b"" for one in kept[256:])
    assert len(first.infer(pixels())["label"]) == 1
    for one in kept:
        one.close()
    until(lambda: len(digits.caller().infer(pixels())["label"]) == 1)


def test_text_is_answered_and_streamed(texts: Served):
    caller = texts.caller()
    answer = caller.infer({"text": np.array(["import ", "def ", "ä\t"], dtype=object)})
    assert [len(one) for one in answer["continuation"]] == [16] * 3
    headers = list(caller.stream("import ", max_tokens=16))
    assert "".join(one.get("text", "") for one in headers) == answer["continuation"][0]
    last = headers[-1]
    assert last["finish"] == "length"
    assert last["usage"] == {"prompt": 7, "completion": 16}
    assert last["outputs"] == []
    assert [one["last"] for one in headers] == [False] * 16 + [True]


def test_drawn_text_is_the_same_for_the_same_seed(texts: Served):
    caller = texts.caller()

    def drawn(seed: int) -> str:
        said = caller.stream("x", max_tokens=30, temperature=1.0, seed=seed)
        return "".join(one.get("text", "") for one in said)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("prompt", ["", "\x00\ud7ff", "a" * 100_000])
def test_any_prompt_is_streamed(texts: Served, prompt: str):
    assert len(list(texts.caller().stream(prompt, max_tokens=2))) == 3


def test_what_the_project_prints_is_no_event(tmp_path: Path):
    bundle, project = toy(tmp_path)
    with serving(bundle, project) as one:
        assert one.first["event"] == "ready"
        one.process.terminate()
        assert one.process.wait(60) == 0
        assert one.process.stdout is not None
        assert one.process.stdout.read() == ""
    printed = (tmp_path / "log").read_text()
    assert "the project prints" in printed
    assert "and writes" in printed


def test_a_full_queue_says_busy_and_deadlines_are_kept(slow: Served):
    caller = slow.caller()
    caller.send("infer", rows(1, 0.5))
    until(lambda: slow.stats()["queue"] == 1)
    assert slow.stats()["working_s"] > 0
    late = caller.send("infer", rows(2), deadline_ms=1)
    cancelled = caller.send("infer", rows(3))
    busy = caller.send("infer", rows(4))
    caller.send("cancel", of=cancelled)
    said = {}
    for header, _ in caller.frames():
        said[header["id"]] = header.get("error", {}).get("kind", "answered")
        if len(said) == 3:
            break
    assert said == {1: "answered", late: "deadline", busy: "busy"}
    assert slow.stats()["requests"] == 1


def test_a_number_is_used_once_at_a_time(slow: Served):
    caller = slow.caller()
    caller.send("infer", rows(1, 0.3))
    told, body = [{"name": "x", "datatype": "FP32", "shape": [1, 2], "bytes": 8}], rows()["x"]
    caller.socket.sendall(frame({"id": 1, "op": "infer", "inputs": told}, [body.tobytes()]))
    first, second = (header for header, _ in (next(caller.frames()), next(caller.frames())))
    assert "still being answered" in first["error"]["message"]
    assert second["ok"]


def test_a_stream_is_cancelled_by_word_or_by_leaving(slow: Served):
    caller = slow.caller()
    sent = caller.send("stream", parameters={"prompt": "a", "max_tokens": 4000})
    frames = caller.frames()
    assert next(frames)[0]["text"] == "0 "
    caller.send("cancel", of=sent)
    until(lambda: slow.stats()["queue"] == 0)
    with Caller(f"unix:{slow.socket}") as other:
        other.send("stream", parameters={"prompt": "a", "max_tokens": 4000})
        next(other.frames())
    until(lambda: slow.stats()["queue"] == 0)
    assert caller.ask("health")[0]["ok"]


def test_rows_are_answered_while_text_streams(slow: Served):
    caller = slow.caller()
    stream = caller.stream("a", max_tokens=4000)
    next(stream)
    assert slow.caller().infer(rows(4))["y"].tolist() == [8]
    caller.socket.close()


def test_sigterm_answers_what_was_asked_and_takes_nothing_new(slow: Served):
    caller, other = slow.caller(), slow.caller()
    caller.send("infer", rows(1, 0.7))
    until(lambda: slow.stats()["queue"] == 1)
    slow.process.send_signal(signal.SIGTERM)
    until(lambda: not slow.socket.exists())
    with pytest.raises(AskError, match="is ending") as caught:
        other.infer(rows())
    assert caught.value.kind == "busy"
    assert next(caller.frames())[0]["ok"]
    assert slow.process.wait(60) == 0


@pytest.mark.slow
def test_a_model_that_does_not_return_holds_up_the_end_for_ten_seconds(slow: Served):
    slow.caller().send("infer", rows(1, 300))
    until(lambda: slow.stats()["queue"] == 1)
    slow.process.send_signal(signal.SIGTERM)
    assert slow.process.wait(60) == 0


def test_it_ends_when_its_standard_input_is_closed(slow: Served):
    assert slow.process.stdin is not None
    slow.process.stdin.close()
    assert slow.process.wait(60) == 0
    assert not slow.socket.exists()


def test_it_ends_when_the_process_that_asked_for_it_is_killed(tmp_path: Path):
    bundle, project = toy(tmp_path)
    start = command(bundle, socket_path(tmp_path))
    code = (
        "import os, subprocess, sys, time\n"
        f"one = subprocess.Popen({start!r} + ['--parent-pid', str(os.getpid())],"
        f" cwd={str(project)!r}, stdin=subprocess.DEVNULL)\n"
        "time.sleep(300)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment()
    ) as parent:
        assert parent.stdout is not None
        ready = json.loads(parent.stdout.readline())
        server = psutil.Process(ready["pid"])
        parent.kill()
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    assert not socket_path(tmp_path).exists()


def test_after_kill_9_the_next_one_takes_the_socket(tmp_path: Path):
    bundle, project = toy(tmp_path)
    with serving(bundle, project, keep=True) as one:
        one.process.kill()
        one.process.wait()
        assert one.socket.exists()
    with serving(bundle, project) as one:
        assert one.caller().infer(rows())["y"].tolist() == [2]


def test_a_second_one_does_not_take_the_socket(tmp_path: Path):
    bundle, project = toy(tmp_path)
    with serving(bundle, project) as one:
        with serving(bundle, project, log=tmp_path / "second", keep=True) as second:
            assert second.first["event"] == "failed"
            assert second.first["stage"] == "bind"
            assert "another process listens" in second.first["reason"]
            assert second.process.wait(60) == 1
        assert one.caller().ask("health")[0]["ok"]


@pytest.mark.parametrize(
    ("changed", "config", "stage", "said"),
    [
        ({"entry": "toy_serving:failing"}, {}, "load", "no such thing"),
        ({"entry": "toy_serving:missing"}, {}, "load", "no function toy_serving:missing"),
        ({"entry": "nowhere:build"}, {}, "load", "cannot be imported"),
        ({"entry": "os:system"}, {}, "load", "not in the project's folder"),
        ({"entry": "subprocess:run"}, {}, "load", "not in the project's folder"),
        ({"entry": "toy_serving"}, {}, "load", "not module:function"),
        ({"format": "pickle"}, {}, "load", "'pickle' is not served"),
        ({"entry": "toy_serving:wrong"}, {}, "warm-up", "99 in 'y' for 1 rows"),
        ({"example": {"x": [[1, 2, 3]]}}, {}, "warm-up", "shape"),
        ({"example": {"z": [1]}}, {}, "warm-up", "no column 'z'"),
        ({}, {"exit": True}, "warm-up", "SystemExit"),
    ],
)
def test_what_cannot_be_served_is_said_with_its_stage_and_the_code_is_1(
    tmp_path: Path, changed: dict[str, Any], config: dict[str, Any], stage: str, said: str
):
    bundle, project = toy(tmp_path, config, **changed)
    with serving(bundle, project) as one:
        assert one.first["event"] == "failed"
        assert one.first["stage"] == stage
        assert said in one.first["reason"]
        assert one.first["hint"]
        assert one.process.wait(60) == 1
        assert not one.socket.exists()


@pytest.mark.parametrize(
    ("backend", "said"), [("mps", "no torch model"), ("cuda", "no torch model"), ("mlx", "")]
)
def test_a_backend_that_is_not_there_is_refused(tmp_path: Path, backend: str, said: str):
    bundle, project = toy(tmp_path)
    with serving(bundle, project, "--backend", backend) as one:
        assert said in one.first.get("reason", "")
        assert one.first["event"] == ("failed" if said else "ready")


def test_over_a_network_a_token_is_asked_for_first(tmp_path: Path):
    bundle, project = toy(tmp_path)
    start = command(bundle, "tcp:127.0.0.1:0")
    with subprocess.Popen(
        start, cwd=project, env=environment(MLOPS_SERVING_TOKEN="secret"), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        with Caller(address, "secret") as caller:
            assert caller.infer(rows(3))["y"].tolist() == [6]
        for token in ("wrong", ""):
            with Caller(address) as caller:
                caller.send("hello", token=token)
                with pytest.raises(ConnectionError):
                    next(caller.frames())
        with Caller(address) as caller, pytest.raises(ConnectionError):
            caller.infer(rows())
        names = psutil.Process(process.pid).environ()
        process.terminate()
        assert process.wait(60) == 0
    assert "MLOPS_SERVING_TOKEN" in names  # of the start; the model's code no longer sees it


def test_on_a_network_without_a_token_it_does_not_listen(tmp_path: Path):
    bundle, project = toy(tmp_path)
    start = command(bundle, "tcp:127.0.0.1:0")
    done = subprocess.run(
        start, cwd=project, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs a token" in json.loads(done.stdout)["reason"]


def test_few_rows_that_belong_together_stay_together(tmp_path: Path):
    both = [column("x", "FP32", 2)]
    bundle, project = toy(tmp_path, inputs=both, interface="few-shot", batchable=False)
    with serving(bundle, project, "--max-batch", "2") as one:
        header, _ = one.caller().ask("infer", {"x": np.zeros((50, 2), np.float32)})
    assert header["timing"]["batch_rows"] == 50


def test_memory_stays_flat_over_large_requests(digits: Served):
    caller = digits.caller()
    for _ in range(3):
        caller.infer(pixels(20_000))
    before = digits.stats()["rss_bytes"]
    for _ in range(10):
        caller.infer(pixels(20_000))
    assert digits.stats()["rss_bytes"] - before < 30 << 20


def test_it_needs_no_mlflow(tmp_path: Path):
    bundle, project = toy(tmp_path)
    (project / "mlflow.py").write_text("raise ImportError('not here')")
    with serving(bundle, project) as one:
        assert one.first["event"] == "ready"


def until(happened: Any, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
