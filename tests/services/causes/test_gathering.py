"""Cases over real stores: prediction log, telemetry, verdicts, journal and mirror."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from services.actions import schema as journal_schema
from services.actions.journal import Journal
from services.causes.gathering import Sources, case, explain_deployment
from services.causes.models import Explanation, Symptom
from services.cli import mlops
from services.commands import why as command
from services.engines.mlflow.models import Model, Version
from services.errors import NotFoundError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store as MirrorStore
from services.monitoring.computing import Monitor
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from services.settings import Settings
from services.telemetry.store import Store
from tests.services.mirror.conftest import tracked
from tests.services.monitoring.predicted import asked
from tests.services.predictions.records import NOON, compacted, record, written
from tests.services.telemetry.recordings import BUSY, MAC, sample, use

HOUR_S = 3600.0
ONSET = NOON - 1800.0
STEP_S = 4.0
NAME = "lora.net"


@pytest.fixture
def mirror(home: Home) -> MirrorStore:
    engine, _ = schema.prepare(Settings().mirror_url)
    return MirrorStore(engine)


@pytest.fixture
def sources(home: Home, mirror: MirrorStore) -> Iterator[Sources]:
    journal = Journal.open(Settings())
    verdicts = VerdictStore(home)
    telemetry = Store(
        home.telemetry, merge_in_background=False, now=lambda: datetime.fromtimestamp(NOON, UTC)
    )
    yield Sources(home, journal, Mirror.open(Settings()), telemetry, verdicts)
    telemetry.close()
    verdicts.close()
    journal.close()


def happened(sources: Sources, at: float, kind: str = "live", said: str = "", name: str = NAME):
    row = {
        "at_ms": round(at * 1000), "name": name, "version": 2, "kind": kind, "said": said,
        "action_id": None, "actor": "platform",
    }  # fmt: skip
    with sources.journal.write() as connection:
        connection.execute(insert(journal_schema.serving_events).values(**row))


def requests(home: Home, facts: Callable[[float], dict[str, Any]], hours: float = 2.0) -> None:
    """Write a request each four seconds until noon."""
    rng = np.random.default_rng(11)
    rows = []
    for at in np.arange(NOON - hours * HOUR_S, NOON, STEP_S).tolist():
        usual = {
            "project": "lora", "model": "net", "version": 2, "host": MAC.host, "rows": 1,
            "latency_ms": 10 * rng.lognormal(0, 0.15), "queue_ms": 0.2, "host_state": None,
            "inputs": {"text": ["my card was declined"]}, "outputs": {"label": ["card"]},
        }  # fmt: skip
        told = usual | facts(at)
        told["latency_ms"] *= told.pop("times", 1.0)
        rows.append(record(at, **told))
    written(home, *rows)


def sampled(sources: Sources, processes: Callable[[float], Any], hours: float = 2.0) -> None:
    """Keep a sample each ten seconds until noon."""
    sources.telemetry.introduce(MAC, ())  # type: ignore[attr-defined]
    for at in np.arange(NOON - hours * HOUR_S, NOON, 10.0).tolist():
        one = sample(0, BUSY, *processes(at), window_s=10.0)
        moment = datetime.fromtimestamp(at, UTC)
        sources.telemetry.append(replace(one, at=moment))  # type: ignore[attr-defined]


def of(found: tuple[Explanation, ...], symptom: Symptom) -> Explanation:
    return next(one for one in found if one.symptom == symptom)


def serving(*pids: int) -> list[Any]:
    return [use(f"replica:{NAME}:2", pid=pid, project="lora", gpu_s=0.5, cpu_s=0.5) for pid in pids]


def test_heat_that_slows_requests_is_found_with_its_begin(home: Home, sources: Sources):
    def facts(at: float) -> dict[str, Any]:
        hot = at >= ONSET and at % 300 < 200
        state = {"thermal_level": 2 * hot, "memory_pressure": 1, "low_power_mode": 0}
        return {"host_state": state, "times": 3.0 if hot else 1.0}

    happened(sources, NOON - HOUR_S)
    requests(home, facts)
    sampled(sources, lambda _at: serving(1, 2))
    found = explain_deployment(sources, "lora", "net", NOON)
    slow = found[0]
    assert (slow.symptom, slow.first and slow.first.kind) == ("slow", "thermal")
    assert slow.onset == pytest.approx(ONSET, abs=300)
    assert slow.first is not None
    assert slow.first.measured
    assert slow.first.weight > 0.9
    assert f"host={MAC.host}" in slow.first.page
    assert {"contention", "replicas", "load", "version"} <= set(slow.clear)
    assert slow.unknown == ()
    assert of(found, "errors").onset is None


def test_another_job_on_the_machine_is_found_and_named(home: Home, sources: Sources):
    def busy(at: float) -> bool:
        return at >= ONSET and at % 600 < 420

    happened(sources, NOON - HOUR_S)
    requests(home, lambda at: {"times": 3.0 if busy(at) else 1.0})
    run = use("run:abcdef0123", pid=9, project="lora", gpu_s=8.0)
    sampled(sources, lambda at: [*serving(1, 2), *([run] if busy(at) else [])])
    (slow, _) = explain_deployment(sources, "lora", "net", NOON)
    assert slow.first is not None
    assert slow.first.kind == "contention"
    assert slow.first.title.startswith("The run abcdef01 of lora uses the same machine: 5")
    assert slow.first.page == "/run?run=abcdef0123"


def test_fewer_model_servers_make_requests_wait(home: Home, sources: Sources):
    def facts(at: float) -> dict[str, Any]:
        late = at >= ONSET
        return {"queue_ms": 30.0 if late else 0.2, "times": 4.0 if late else 1.0}

    happened(sources, NOON - HOUR_S)
    requests(home, facts)
    sampled(sources, lambda at: serving(1) if at >= ONSET else serving(1, 2, 3))
    (slow, _) = explain_deployment(sources, "lora", "net", NOON)
    assert slow.first is not None
    assert (slow.first.kind, slow.first.measured) == ("replicas", False)
    assert slow.first.title == "Fewer model servers: 1 instead of 3"


def test_failures_around_the_end_of_a_model_server_are_laid_to_it(home: Home, sources: Sources):
    ends = (ONSET + 300, ONSET + 900)

    def facts(at: float) -> dict[str, Any]:
        near = any(-30 <= at - end < 60 for end in ends)
        return {"status": 500 if near else 200, "error": "It ended.\nlines" if near else None}

    happened(sources, NOON - HOUR_S)
    for end in ends:
        happened(sources, end, "restarted", "A model server of version 2 ended: killed.\nlog")
    requests(home, facts)
    errors = of(explain_deployment(sources, "lora", "net", NOON), "errors")
    assert errors.first is not None
    assert errors.first.kind == "restart"
    assert "Most often now: “It ended.” (" in errors.said
    assert errors.first.title == "Model servers began anew: 2 times"
    assert "A model server of version 2 ended: killed." in errors.first.evidence[1]


def test_a_version_is_told_with_what_it_was_trained_with(
    home: Home, sources: Sources, mirror: MirrorStore
):
    def facts(at: float) -> dict[str, Any]:
        new = at >= ONSET and at % 20 < 12
        return {"version": 3 if new else 2, "times": 2.5 if new else 1.0}

    happened(sources, NOON - HOUR_S)
    requests(home, facts)
    mirror.write_project("lora", "connected", {"title": "LoRA"})
    runs = []
    for number, packages in ((2, '{"mlx": "0.30"}'), (3, '{"mlx": "0.31"}')):
        tags = {"mlops.data.revision": "a" * 40, "mlops.packages": packages}
        runs.append(tracked(number, tags=tags))
    mirror.write_runs("lora", runs)
    made = [Version("net", number, f"{number:032x}", 0, "READY", "", "", {}) for number in (2, 3)]
    mirror.write_registry("lora", [Model("net", "", 0, 0, {}, {})], made)
    (slow, _) = explain_deployment(sources, "lora", "net", NOON)
    assert slow.first is not None
    assert slow.first.kind == "code"
    assert "Packages: mlx 0.30 → 0.31." in slow.first.evidence


def test_without_telemetry_the_rest_is_looked_at_and_the_lack_is_said(home: Home, sources: Sources):
    happened(sources, NOON - HOUR_S)
    requests(home, lambda at: {"rows": 32 if at >= ONSET and at % 20 < 12 else 1,
                               "times": 5.0 if at >= ONSET and at % 20 < 12 else 1.0,
                               "inputs": None})  # fmt: skip
    (slow, _) = explain_deployment(sources, "lora", "net", NOON)
    assert slow.first is not None
    assert slow.first.kind == "batch"
    assert any(line.startswith(f"The machine {MAC.host}: ") for line in slow.unknown)
    assert "Size of the rows: the log keeps no inputs, so their size is not known." in slow.unknown


def test_it_may_be_said_since_when(home: Home, sources: Sources):
    happened(sources, NOON - HOUR_S)
    requests(home, lambda at: {"times": 3.0 if at >= ONSET else 1.0})
    (slow,) = explain_deployment(sources, "lora", "net", NOON, since=NOON - 600, symptoms=("slow",))
    assert slow.now is not None
    assert slow.now.since >= NOON - 600
    assert slow.onset is None or slow.onset == NOON - 600


def test_what_was_compacted_is_read_alike(home: Home, sources: Sources):
    happened(sources, NOON - HOUR_S)
    requests(home, lambda at: {"key_id": "k2" if at >= ONSET and at % 20 < 12 else "k1",
                               "times": 3.0 if at >= ONSET and at % 20 < 12 else 1.0})  # fmt: skip
    before = case(sources, "lora", "net", "slow", NOON)
    compacted(home)
    after = case(sources, "lora", "net", "slow", NOON)
    for one, other in ((before.then, after.then), (before.now, after.now)):
        for field in ("at", "row_bytes", "rate"):
            assert np.array_equal(getattr(one.rows, field), getattr(other.rows, field))
    assert np.array_equal(before.now.whole, after.now.whole)


def test_an_endpoint_that_never_was_is_not_there(sources: Sources):
    with pytest.raises(NotFoundError, match=r"There is no deployment lora\.net"):
        explain_deployment(sources, "lora", "net", NOON)


def test_an_endpoint_that_nobody_asked_tells_nothing(sources: Sources):
    happened(sources, NOON - HOUR_S)
    for one in explain_deployment(sources, "lora", "net", NOON):
        assert one.said.startswith("Nothing can be told: 0 requests")
        assert one.state == "unknown"
        assert one.causes == ()


# From the command line


@pytest.fixture
def heated(home: Home, sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    def facts(at: float) -> dict[str, Any]:
        hot = at >= ONSET and at % 300 < 200
        return {"host_state": {"thermal_level": 2 * hot}, "times": 3.0 if hot else 1.0}

    happened(sources, NOON - HOUR_S)
    requests(home, facts)
    monkeypatch.setattr(command, "_now", lambda: datetime.fromtimestamp(NOON, UTC))


def typed(*words: str) -> str:
    done = CliRunner().invoke(mlops, ["why", "--deployment", NAME, *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_causes_are_told_in_sentences(heated: None):
    told = typed()
    assert told.startswith("Latency of lora.net since 2026-11-29 11:")
    assert "1. The machine is throttled by heat (thermal level 2) (" in told
    assert "   - Thermal level 1 and more: 0 % of " in told
    assert "Others on the machine: no telemetry of its machine is kept of that time." in told
    assert "Looked at, explains nothing:" in told
    assert "Errors of lora.net\nIt is as it was: 0 % → 0 % of the requests failed" in told


def test_where_nothing_is_found_it_is_told_what_was_looked_at(
    home: Home, sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    happened(sources, NOON - 200 * HOUR_S)
    requests(home, lambda at: {"times": 3.0 if at >= ONSET else 1.0})
    monkeypatch.setattr(command, "_now", lambda: datetime.fromtimestamp(NOON, UTC))
    told = typed("--symptom", "slow")
    said = next(line for line in told.splitlines() if line.startswith("Likely cause: "))
    looked, _, not_looked = said.partition(" Could not be looked at: ")
    names = looked.rpartition(": ")[2].rstrip(".").split(", ")
    assert looked.startswith(f"Likely cause: None was found of {len(names)} things looked at: ")
    assert {"another version", "who asks", "load"} <= set(names)
    assert "Others on the machine: no telemetry of its machine is kept of that time." in not_looked
    (one,) = json.loads(typed("--json", "--symptom", "slow"))["symptoms"]
    assert (one["causes"], one["none_found"]) == ([], said.removeprefix("Likely cause: "))


def test_json_has_stable_keys(heated: None):
    told = json.loads(typed("--json", "--symptom", "slow", "--since", "30m"))
    assert list(told) == ["deployment", "symptoms"]
    (one,) = told["symptoms"]
    assert list(one) == [
        "symptom", "state", "since", "said", "causes", "unknown", "clear", "none_found", "then",
        "now",
    ]  # fmt: skip
    assert one["none_found"] == ""
    assert one["since"] == "2026-11-29T11:30:00Z"
    assert list(one["causes"][0]) == [
        "kind", "title", "said", "weight", "measured", "evidence", "suggestion", "link",
        "page", "column", "chart",
    ]  # fmt: skip
    assert list(one["now"]) == ["since", "until", "requests"]


# Drift and accuracy


def checked(sources: Sources, now: float) -> None:
    monitor = Monitor(sources.home, sources.verdicts)
    baseline = Baseline("window", NOON - 3 * HOUR_S, NOON - HOUR_S)
    monitor.check("p", "m", 3, baseline=baseline, report=False, now=now)


def test_the_input_that_moved_is_found_by_the_rows_and_by_the_verdict(home: Home, sources: Sources):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    asked(home, NOON - 3 * HOUR_S, 2500, seed=1, span_s=2 * HOUR_S)
    asked(home, NOON - HOUR_S, 2500, shift=1.0, seed=2)
    checked(sources, NOON)
    found = explain_deployment(sources, "p", "m", NOON)
    data, answers = of(found, "data"), of(found, "prediction")
    assert data.onset == pytest.approx(NOON - HOUR_S, abs=5)
    assert data.first is not None
    assert (data.first.kind, data.first.title) == ("feature", "The input a moved")
    assert data.first.weight > 0.8
    assert "column=input.a" in data.first.link
    assert answers.first is not None
    assert (answers.first.title, answers.first.measured) == ("The input a moved", True)
    assert answers.first.weight > 0.9
    assert "rows with values of output.label" in answers.said.lower()


def test_who_asks_is_found_behind_the_inputs(home: Home, sources: Sources):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    rng = np.random.default_rng(3)
    rows = []
    for at in np.linspace(NOON - 3 * HOUR_S, NOON - 1, 6000).tolist():
        new = at >= NOON - HOUR_S and rng.random() < 0.5
        value = float(rng.normal() + 2 * new)
        rows.append(
            record(at, project="p", model="m", version=3, rows=1, key_id="k2" if new else "k1",
                   inputs={"a": [value], "b": [float(rng.normal())]},
                   outputs={"label": [int(value > 0)]})
        )  # fmt: skip
    written(home, *rows)
    checked(sources, NOON)
    data = of(explain_deployment(sources, "p", "m", NOON), "data")
    assert data.first is not None
    assert data.first.kind == "clients"
    assert data.first.title.startswith("Others ask: key k2 has")


def test_answers_that_got_worse_for_the_same_inputs(home: Home, sources: Sources):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    asked(home, NOON - 3 * HOUR_S, 1500, seed=1, span_s=2 * HOUR_S, right=0.97)
    asked(home, NOON - HOUR_S, 1500, seed=2, right=0.7)
    (found,) = explain_deployment(
        sources, "p", "m", NOON, since=NOON - HOUR_S, symptoms=("accuracy",)
    )
    assert found.first is not None
    assert found.first.kind == "relation"
    assert found.said.startswith("Wrong answers: ")
    assert {"feature", "clients", "labels"} <= set(found.clear)


def test_a_verdict_on_a_version_without_a_before_tells_by_importance(home: Home, sources: Sources):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    asked(home, NOON - 3 * HOUR_S, 2500, seed=1, span_s=2 * HOUR_S)
    asked(home, NOON - HOUR_S, 2500, shift=1.0, seed=2)
    checked(sources, NOON)
    (data,) = explain_deployment(
        sources, "p", "m", NOON, since=NOON - 9 * 24 * HOUR_S, symptoms=("data",)
    )
    assert data.first is not None
    assert data.said.startswith("What moved is told by the newest verdict.")
    assert data.first.title == "The input a moved"
