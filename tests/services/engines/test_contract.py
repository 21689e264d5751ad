"""What every engine owes, told once: a new engine is one more ``Case``."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from services.engines.airflow.adapter import Airflow
from services.engines.mlflow.adapter import MLflow
from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError
from services.reading import Down, Live, read
from tests.services.engines.conftest import answering, silent


@dataclass(frozen=True)
class Case:
    engine: str
    name: str
    fixture: str
    ask: Callable[[httpx.Client], object]


def mlflow(name: str, fixture: str, ask: Callable[[MLflow], object]) -> Case:
    return Case("mlflow", name, f"{fixture}-3.17.2.json", lambda client: ask(MLflow(client)))


def airflow(name: str, ask: Callable[[Airflow], object], fixture: str = "") -> Case:
    recorded = fixture or name.replace("_", "-")
    return Case("airflow", name, f"{recorded}-3.3.2.json", lambda client: ask(Airflow(client)))


CASES = [
    airflow("health", lambda a: a.health()),
    airflow("version", lambda a: a.version()),
    airflow("dags", lambda a: a.dags()),
    airflow("dag", lambda a: a.dag("d"), "dag-details"),
    airflow("tasks", lambda a: a.tasks("d")),
    airflow("import_errors", lambda a: a.import_errors()),
    airflow("set_paused", lambda a: a.set_paused("d", paused=True), "dag"),
    airflow("dag_runs", lambda a: a.dag_runs().runs),
    airflow("dag_run", lambda a: a.dag_run("d", "r")),
    airflow("trigger", lambda a: a.trigger("d", "r", {"epochs": 5})),
    airflow("set_run_state", lambda a: a.set_run_state("d", "r", "failed"), "dag-run"),
    airflow("task_instances", lambda a: tuple(a.task_instances("d", "r"))),
    airflow("task_instance", lambda a: a.task_instance("d", "r", "t", 1)),
    airflow("tries", lambda a: a.tries("d", "r", "t")),
    airflow("clear", lambda a: a.clear("d", "r"), "cleared"),
    airflow("log", lambda a: a.log("d", "r", "t", 1).lines, "log-failed"),
    airflow("xcom", lambda a: a.xcom("d", "r", "t")),
    airflow("pools", lambda a: a.pools()),
    airflow("pool", lambda a: a.pool("p")),
    airflow("set_pool", lambda a: a.set_pool("p", 4), "pool"),
    airflow("assets", lambda a: a.assets()),
    airflow("asset_events", lambda a: a.asset_events().events),
    airflow("emit", lambda a: a.emit(1), "asset-event"),
    mlflow("search_runs", "runs-search", lambda m: m.search_runs("w", ("1",)).runs),
    mlflow("run", "runs-get", lambda m: m.run("w", "r")),
    mlflow("history", "metrics-get-history", lambda m: m.history("w", "r", "loss")),
    mlflow("experiments", "experiments-search", lambda m: m.experiments("w")),
    mlflow("workspaces", "workspaces", lambda m: m.workspaces()),
    mlflow("models", "registered-models-search", lambda m: m.models("w")),
    mlflow("versions", "model-versions-search", lambda m: m.versions("w")),
    mlflow("artifacts", "artifacts-list", lambda m: m.artifacts("w", "r")),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.engine}.{c.name}")


@cases
def test_reads_a_recorded_answer(case: Case, recorded: Callable[[str, str], bytes]):
    assert case.ask(answering(recorded(case.engine, case.fixture)))


@cases
@pytest.mark.parametrize("nonsense", [b"<html>no</html>", b"[1, 2]", b""])
def test_nonsense_is_a_protocol_error(case: Case, nonsense: bytes):
    with pytest.raises(EngineProtocolError, match="cannot read"):
        case.ask(answering(nonsense))


@cases
def test_silence_is_down_with_a_reason_and_a_hint(case: Case):
    with pytest.raises(EngineUnreachableError):
        case.ask(silent())
    reading = read(case.engine, lambda: case.ask(silent()))
    assert isinstance(reading, Down)
    assert "cannot be reached" in reading.reason
    assert "mlops" in reading.hint


@cases
def test_a_refusal_keeps_the_engines_own_words(case: Case):
    body = b'{"error_code": "PERMISSION_DENIED", "message": "Not yours."}'
    with pytest.raises(EngineRefusedError, match="Not yours") as caught:
        case.ask(answering(body, 403))
    assert (caught.value.code, caught.value.status) == ("PERMISSION_DENIED", 403)


def test_a_live_reading_has_its_time():
    reading = read("x", lambda: 3)
    assert isinstance(reading, Live)
    assert reading.value == 3
    assert reading.at.tzinfo is not None


def test_a_slow_engine_is_unreachable_not_refusing():
    def wait(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    client = httpx.Client(transport=httpx.MockTransport(wait), base_url="http://engine.test")
    with pytest.raises(EngineUnreachableError, match="in time"):
        MLflow(client).models("w")
