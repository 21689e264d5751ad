"""``mlops objectives``, without a controller: this process executes."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.actions.journal import Journal
from services.cli import mlops
from services.engines.mlflow.models import Model
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from services.settings import Settings
from tests.services.predictions.records import record, written

Typed = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home = Home.locate()
    home.create()
    engine, _ = schema.prepare(Settings().mirror_url)
    store = Store(engine)
    store.write_project("lora", "connected", {"title": "LoRA"})
    store.write_registry("lora", [Model("net", "", 0, 0, {}, {})], [])
    engine.dispose()
    journal = Journal.open(Settings())
    deployments.put_rollout(journal, "lora", "net", Rollout(Target(1), action_id=1))
    deployments.finish_rollout(journal, "lora.net", 1, live=True, said="")
    journal.close()
    now, mine = time.time(), {"project": "lora", "model": "net", "inputs": None, "outputs": None}
    written(home, *(record(now - 600, latency_ms=float(n), **mine) for n in range(1, 201)))

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(mlops, ["objectives", *words])
        assert result.exit_code == code, result.output
        return result

    return run


def test_objectives_are_listed_set_and_removed(typed: Typed):
    (row,) = json.loads(typed("list", "--json").output)
    assert (row["deployment"], row["objective"], row["state"]) == (
        "lora.net", "errors", "met",
    )  # fmt: skip
    assert (row["target"], row["source"], row["budget_left"]) == (0.99, "default", 1.0)
    assert [burn["bound"] for burn in row["burns"]] == pytest.approx([14.4, 6.0, 1.0])
    said = typed("set", "lora/net", "--latency", "150", "--quantile", "90", "--days", "7").output
    assert said == "Have lora/net promise 90 % of answers within 150 ms, over 7 days: done.\n"
    typed("set", "lora", "--errors", "0.1")
    rows = json.loads(typed("--json").output)
    assert [(one["objective"], one["target"], one["source"]) for one in rows] == [
        ("errors", 0.999, "project"), ("latency", 0.9, "model"),
    ]  # fmt: skip
    assert (rows[1]["achieved"], rows[1]["bad"], rows[1]["bound_ms"]) == (0.75, 50, 150.0)
    assert rows[1]["set_by"].startswith("os:")
    told = typed().output
    assert "95 %" not in told
    assert "lora.net\t90 % of answers within 150 ms, over 7 days\tmissed\t75 %\t0 %\t" in told
    typed("remove", "lora/net", "latency")
    typed("remove", "lora", "errors")
    assert len(json.loads(typed("--json").output)) == 1
    typed("set", "lora/net", "--mae", "2.5")
    typed("set", "lora/net", "--accuracy", "0.9", "--days", "7")
    assert json.loads(typed("--json").output)[1]["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "lora/net"), 2, "Name one of"),
        (("set", "lora/net", "--latency", "5", "--mae", "1"), 2, "Name one of"),
        (("set", "lora/net", "--errors", "0"), 2, "no budget"),
        (("set", "nope", "--errors", "1"), 1, "nope"),
        (("set", "lora/other", "--errors", "1"), 1, "no registered model"),
        (("remove", "lora/net", "latency"), 1, "No objective of latency was set"),
        (("list", "--project", "nope"), 1, "nope"),
    ],
)
def test_what_is_wrong_is_a_sentence(typed: Typed, words: tuple[str, ...], code: int, said: str):
    assert said in typed(*words, code=code).output


def test_what_the_machine_did_to_answers_is_told(typed: Typed):
    told = typed("hardware", "lora/net").output
    assert "Thermal level: unavailable, because none of the 200 answers" in told
    assert "Throughput per watt: 16 predictions a second." in told
    hot = {"host_state": {"thermal_level": 2}, "latency_ms": 80.0, "energy_j": 0.5, "rows": 1}
    mine = {"project": "lora", "model": "net", "inputs": None, "outputs": None}
    written(Home.locate(), *(record(time.time() - 60, **mine, **hot) for _ in range(50)))
    told = typed("hardware", "lora/net").output
    assert "Thermal level\t2 (heavy)\t50\t80\t80\t500" in told
    found = json.loads(typed("hardware", "lora/net", "--json").output)
    (level,) = found["levels"]
    assert (level["factor"], level["word"], level["requests"]) == ("thermal_level", "heavy", 50)
    assert set(found["unavailable"]) == {"memory_pressure", "low_power_mode"}
    assert found["requests"] == 250


def test_minutes_in_service_are_promised_and_errors_beside_them(typed: Typed):
    typed("set", "lora/net", "--availability", "99.9", "--days", "7")
    errors, minutes = json.loads(typed("--json").output)
    assert (errors["objective"], errors["source"]) == ("errors", "default")
    assert (minutes["objective"], minutes["target"]) == ("availability", 0.999)
    assert (minutes["state"], minutes["unwatched"]) == ("unknown", 0)
    assert "Nobody watched in the last 7 days" in minutes["said"]
    typed("remove", "lora/net", "availability")
    assert len(json.loads(typed("--json").output)) == 1
