import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.utils.rest_utils import MlflowHostCreds
from mlops_client import sending, wire
from mlops_client.buffer import Buffer, never
from mlops_client.local import LOCAL_ID
from mlops_client.sending import Sender
from mlops_client.spool import REFUSED, Spool
from mlops_client.wire import UnansweredError

RUN = "0" * 32


class Mlflow:
    """Takes calls in memory; ``refuse`` and ``silent`` are keys it says no to, or nothing."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: set[str] = set()
        self.internal_error: set[str] = set()
        self.is_silent = False

    def ask(self, _: object, message: Any, body: dict[str, Any], __: object = None) -> Any:
        if self.is_silent:
            raise UnansweredError("gone")
        keys = {body.get("key"), *(metric["key"] for metric in body.get("metrics", []))}
        if keys & self.internal_error:
            raise UnansweredError("HTTP 500", 500)
        if keys & self.refuse:
            raise MlflowException("never", INVALID_PARAMETER_VALUE)
        self.calls.append((message.__name__, body))
        answer = message.Response()
        if message is api.CreateRun:
            answer.run.info.run_id = RUN
        return answer


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Mlflow:
    server = Mlflow()
    monkeypatch.setattr(wire, "ask", server.ask)
    return server


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.create(tmp_path, {"project": "toy"})


def sender(spool: Spool) -> Sender:
    return Sender(lambda: MlflowHostCreds("http://localhost"), spool)


def metric(key: str, step: int, run_id: str = RUN) -> dict[str, Any]:
    body = {"run_id": run_id, "run_uuid": run_id, "key": key, "value": 1.0, "step": step}
    return {"api": "LogMetric", "body": body | {"timestamp": 5}, "workspace": "toy"}


def tag(key: str, value: str = "v", run_id: str = RUN) -> dict[str, Any]:
    body = {"run_id": run_id, "key": key, "value": value}
    return {"api": "SetTag", "body": body, "workspace": "toy"}


def keep(spool: Spool, *records: dict[str, Any]) -> None:
    for record in records:
        spool.append(record)


def refused(spool: Spool) -> list[dict[str, Any]]:
    file = spool.path.parent / REFUSED / spool.path.name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_neighbouring_metrics_of_a_run_go_in_one_request(mlflow: Mlflow, spool: Spool):
    keep(spool, *(metric("loss", step) for step in range(2500)))
    assert sender(spool).send(never)
    assert [(name, len(body["metrics"])) for name, body in mlflow.calls] == [
        ("LogBatch", 1000),
        ("LogBatch", 1000),
        ("LogBatch", 500),
    ]
    first = mlflow.calls[0][1]["metrics"][0]
    assert first == {"key": "loss", "value": 1.0, "step": 0, "timestamp": 5}


def test_order_is_kept_where_calls_differ(mlflow: Mlflow, spool: Spool):
    keep(spool, metric("a", 0), tag("t"), metric("a", 1), metric("a", 0, "1" * 32))
    sender(spool).send(never)
    assert [name for name, _ in mlflow.calls] == ["LogMetric", "SetTag", "LogMetric", "LogMetric"]


def test_a_refused_call_is_set_aside_and_the_rest_is_sent(mlflow: Mlflow, spool: Spool):
    mlflow.refuse = {"bad"}
    keep(spool, tag("good"), tag("bad"), tag("better"))
    work = sender(spool)
    assert work.send(never)
    assert [body["key"] for _, body in mlflow.calls] == ["good", "better"]
    assert work.refused == 1
    assert [(r["body"]["key"], r["reason"]) for r in refused(spool)] == [("bad", "never")]


def test_of_a_refused_batch_only_the_call_at_fault_is_set_aside(mlflow: Mlflow, spool: Spool):
    mlflow.refuse = {"bad"}
    keep(spool, metric("loss", 0), metric("bad", 0), metric("loss", 1))
    assert sender(spool).send(never)
    assert [body["step"] for _, body in mlflow.calls] == [0, 1]
    assert [r["body"]["key"] for r in refused(spool)] == ["bad"]


def test_a_refused_file_is_kept_too(mlflow: Mlflow, spool: Spool, monkeypatch: pytest.MonkeyPatch):
    file = spool.files() / "x.bin"
    file.write_bytes(b"weights")

    def no(*_: object) -> None:
        raise MlflowException("too large", INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(wire, "put_file", no)
    body = {"run_id": RUN, "file": str(file), "artifact_path": None}
    keep(spool, {"api": "Artifact", "body": body, "workspace": None})
    assert sender(spool).send(never)
    spool.remove()
    assert Path(refused(spool)[0]["body"]["file"]).read_bytes() == b"weights"


def test_a_server_that_goes_away_again_loses_nothing(mlflow: Mlflow, spool: Spool):
    keep(spool, tag("a"), tag("b"))
    mlflow.is_silent = True
    with pytest.raises(UnansweredError):
        sender(spool).send(never)
    mlflow.is_silent = False
    assert sender(spool).send(never)
    assert [body["key"] for _, body in mlflow.calls] == ["a", "b"]


def test_a_call_the_server_chokes_on_does_not_block_the_rest_for_ever(mlflow: Mlflow, spool: Spool):
    mlflow.internal_error = {"poison"}
    keep(spool, tag("poison"), tag("good"))
    for _ in range(sending._TRIES - 1):  # each in a process of its own
        with pytest.raises(UnansweredError):
            sender(spool).send(never)
    assert sender(spool).send(never)
    assert [body["key"] for _, body in mlflow.calls] == [sending._PROBE, "good"]
    assert [r["body"]["key"] for r in refused(spool)] == ["poison"]


def test_while_the_server_chokes_on_everything_nothing_is_set_aside(mlflow: Mlflow, spool: Spool):
    mlflow.internal_error = {"a", sending._PROBE}
    keep(spool, tag("a"))
    for _ in range(3 * sending._TRIES):
        with pytest.raises(UnansweredError):
            sender(spool).send(never)
    mlflow.internal_error = set()
    assert sender(spool).send(never)
    assert [body["key"] for _, body in mlflow.calls] == ["a"]
    assert refused(spool) == []


def test_a_run_begun_in_the_buffer_gets_the_servers_id_everywhere(mlflow: Mlflow, spool: Spool):
    key = "a" * 24
    local = f"offline-{key}"
    body = {
        "experiment_id": "7",
        "tags": [{"key": LOCAL_ID, "value": key}],
    }
    keep(
        spool,
        {"api": "CreateRun", "body": body, "workspace": "toy"},
        metric("loss", 0, local),
        tag("mlflow.parentRunId", local, "1" * 32),
    )
    assert sender(spool).send(never)
    names = [name for name, _ in mlflow.calls]
    assert names == ["SearchRuns", "CreateRun", "LogMetric", "SetTag"]
    assert mlflow.calls[2][1]["run_id"] == RUN
    assert mlflow.calls[3][1]["value"] == RUN
    assert sending.learned(spool.path.parent, local) == RUN


def test_a_call_for_a_run_another_process_keeps_waits_for_it(mlflow: Mlflow, spool: Spool):
    local = "offline-" + "b" * 24
    keep(spool, tag("a", run_id=local))
    with pytest.raises(UnansweredError, match="another process"):
        sender(spool).send(never)
    (spool.path.parent / "runs").mkdir()
    (spool.path.parent / "runs" / local).write_text(RUN)
    assert sender(spool).send(never)
    assert mlflow.calls[0][1]["run_id"] == RUN


def test_sending_stops_when_it_is_told_to(mlflow: Mlflow, spool: Spool):
    keep(spool, tag("a"), tag("b"))
    assert not sender(spool).send(lambda: len(mlflow.calls) == 1)
    assert [body["key"] for _, body in mlflow.calls] == ["a"]
    assert sender(spool).send(never)
    assert [body["key"] for _, body in mlflow.calls] == ["a", "b"]


@pytest.fixture
def buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buffer:
    """Return the buffer of a process that runs in the project toy."""
    monkeypatch.setenv("MLOPS_SPOOL", str(tmp_path))
    whose = {"project": "toy", "uri": "http://localhost", "configured": True}
    return Buffer(lambda: MlflowHostCreds("http://localhost"), whose, lambda _: None)


# Why it is not sent


@pytest.mark.parametrize(
    ("status", "reason", "first", "last"),
    [
        (0, "no route", "does not answer (no route)", "is still away"),
        (
            503,
            "HTTP 503: It is full.\nSQL",
            "cannot take what is logged (HTTP 503: It is full.)",
            "still cannot take what was logged (HTTP 503: It is full.)",
        ),
        (
            wire.UNAUTHENTICATED,
            f"{wire.TOKEN_REFUSED} (HTTP 401)",
            "refuses this project's token",
            "refuses this project's token",
        ),
    ],
)
def test_why_nothing_is_sent_is_said_at_the_start_and_at_the_end(
    buffer: Buffer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    status: int, reason: str, first: str, last: str,
):  # fmt: skip
    error = UnansweredError(reason, status)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(wire, "ask", fail)
    monkeypatch.setattr(wire, "is_alive", lambda _: status > 0)
    buffer.open_and_keep(tag("a"), reason)
    buffer.at_exit()
    began, ended = capsys.readouterr().err.splitlines()
    assert began.startswith(f"mlops: the shared MLflow {first}. ")
    assert ended.startswith(f"mlops: the shared MLflow {last}. What was logged waits")


# What was refused, once more


@pytest.fixture
def toys_spool(tmp_path: Path) -> Spool:
    whose = {"project": "toy", "uri": "http://other:1", "configured": True}
    return Spool.create(tmp_path, whose)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_refused_is_sent_again_when_its_cause_is_gone(
    mlflow: Mlflow, toys_spool: Spool, buffer: Buffer, tmp_path: Path
):
    mlflow.refuse = {"bad", "worse"}
    keep(toys_spool, tag("bad"), tag("good"), tag("worse"))
    sender(toys_spool).send(never)
    toys_spool.remove()
    mlflow.refuse = {"worse"}
    mlflow.calls.clear()

    assert buffer.send_refused() == (1, 1)

    assert [body["key"] for _, body in mlflow.calls] == ["bad"]
    (file,) = (tmp_path / REFUSED).iterdir()
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["body"]["key"] == "worse"
    mlflow.refuse = set()
    assert buffer.send_refused() == (1, 0)
    assert left(tmp_path) == []
    assert buffer.send_refused() == (0, 0)


def test_a_refused_file_is_sent_again_under_its_own_name(
    mlflow: Mlflow,
    toys_spool: Spool,
    buffer: Buffer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    file = toys_spool.files() / "a-b.bin"
    file.write_bytes(b"weights")
    taken: list[tuple[str, bytes]] = []
    says_no = True

    def put(_: object, __: object, path: Path, *___: object) -> None:
        if says_no:
            raise MlflowException("too large", INVALID_PARAMETER_VALUE)
        taken.append((path.name, path.read_bytes()))

    monkeypatch.setattr(wire, "put_file", put)
    body = {"run_id": RUN, "file": str(file), "artifact_path": None}
    keep(toys_spool, {"api": "Artifact", "body": body, "workspace": None})
    sender(toys_spool).send(never)
    toys_spool.remove()
    assert buffer.send_refused() == (0, 1)
    says_no = False

    assert buffer.send_refused() == (1, 0)

    assert taken == [("a-b.bin", b"weights")]
    assert left(tmp_path) == []


def test_while_the_server_is_away_what_was_refused_waits_with_the_rest(
    mlflow: Mlflow, toys_spool: Spool, buffer: Buffer, tmp_path: Path
):
    mlflow.refuse = {"bad"}
    keep(toys_spool, tag("bad"))
    sender(toys_spool).send(never)
    toys_spool.remove()
    mlflow.is_silent = True
    with pytest.raises(UnansweredError):
        buffer.send_refused()
    assert list((tmp_path / REFUSED).iterdir()) == []
    mlflow.is_silent, mlflow.refuse = False, set()
    assert buffer.send_left() == (1, 0)
    assert [body["key"] for _, body in mlflow.calls] == ["bad"]


def test_what_another_project_was_refused_is_left_alone(
    mlflow: Mlflow, spool: Spool, buffer: Buffer, tmp_path: Path
):
    other = Spool.create(tmp_path, {"project": "other", "configured": True})
    mlflow.refuse = {"bad"}
    keep(other, tag("bad"))
    sender(other).send(never)
    other.remove()
    before = left(tmp_path)
    mlflow.refuse = set()
    assert buffer.send_refused() == (0, 0)
    assert left(tmp_path) == before


def test_lines_that_cannot_be_read_stay_among_the_refused(
    mlflow: Mlflow, buffer: Buffer, tmp_path: Path
):
    (tmp_path / REFUSED).mkdir()
    file = tmp_path / REFUSED / "1-1-a.jsonl"
    torn = b'0a0b0c0d {"api": "SetT\n'
    file.write_bytes(torn + json.dumps(tag("kept")).encode() + b"\n")  # noted before it said whose
    assert buffer.send_refused() == (1, 0)
    assert file.read_bytes() == torn
    assert buffer.send_refused() == (0, 0)
