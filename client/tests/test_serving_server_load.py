"""A model server that is busy, that ends, and that does not come up."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlops_client.serving.asking import AskError, Caller
from mlops_client.serving.frames import frame
from serving_process import Served, command, environment, serving, socket_path
from serving_toy import rows, toy, until

pytestmark = pytest.mark.engine


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Served]:
    bundle, project = toy(tmp_path, stream="toy_serving:slow", interface="text")
    with serving(bundle, project, "--queue", "3") as one:
        yield one


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
