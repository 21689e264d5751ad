"""Model servers as they run: processes of their own, asked over their sockets."""

import stat
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlops_client.serving.asking import AskError, Caller
from mlops_client.serving.frames import BODY_LIMIT, frame
from serving_bundles import CLASSIFIER, TEXT, classifier, column, imported, text
from serving_process import Served, serving
from serving_toy import toy, until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = classifier(tmp_path_factory.mktemp("digits") / "b")
    with serving(folder, CLASSIFIER, "--memory-bytes", str(1 << 30)) as one:
        yield one


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(text(tmp_path_factory.mktemp("text") / "b"), TEXT) as one:
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
