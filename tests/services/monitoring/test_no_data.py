"""What training said is no data is left out, whatever a window is compared with, and of causes."""

import itertools
from typing import Any

import orjson
import pyarrow as pa
import pytest

from services.causes.gathering import Sources, case
from services.engines.mlflow.models import ArtifactEntry, Version
from services.errors import EngineUnreachableError, PlatformError
from services.home import Home
from services.monitoring import reference
from services.monitoring.computing import Checked, Monitor
from services.monitoring.reference import Baseline, made
from services.serving.models import Privacy
from tests.services.causes.test_gathering import happened, mirror, sources
from tests.services.monitoring.predicted import HOUR_S, NOON, asked
from tests.services.monitoring.test_computing import TrackingServer, by_kind, evaluated

__all__ = ["mirror", "sources"]
CONTENT = orjson.dumps({**orjson.loads(evaluated()), "ignored": ["order", "place"]})


def predicted(home: Home, privacy: Privacy = "full") -> None:
    """Write three hours of predictions, each with the number of an order and where it lies."""
    numbers = itertools.count()

    def ordered(inputs: dict[str, Any]) -> dict[str, Any]:
        number = next(numbers)
        return {**inputs, "order": [number], "place": [[float(number), 1.0]]}

    asked(home, NOON - 3 * HOUR_S, 2500, seed=1, span_s=2 * HOUR_S, change=ordered, privacy=privacy)
    asked(home, NOON - HOUR_S, 2500, seed=2, change=ordered, privacy=privacy)


def checked(sources: Sources, baseline: Baseline, mlflow: object) -> Checked:
    monitor = Monitor(sources.home, sources.verdicts, mlflow)  # type: ignore[arg-type]
    return monitor.check("p", "m", 3, baseline=baseline, report=False, now=NOON)


WINDOW = Baseline("window", NOON - 3 * HOUR_S, NOON - HOUR_S)


@pytest.mark.parametrize(
    "baseline", [WINDOW, Baseline("first"), Baseline("evaluation"), Baseline("auto")],
    ids=lambda one: one.kind,
)  # fmt: skip
def test_it_is_compared_with_no_baseline(home: Home, sources: Sources, baseline: Baseline):
    predicted(home)
    server = TrackingServer(CONTENT)
    for mlflow in (server, None):  # the second: of what was kept
        found = by_kind(checked(sources, baseline, mlflow))
        assert {one.name for one in found["data"].columns} == {f"input.{one}" for one in "abcd"}
        assert (found["data"].state, found["quality"].state) == ("steady", "steady")
    assert server.asked == 1


def test_without_evaluation_data_all_is_compared(home: Home, sources: Sources):
    predicted(home)
    found = by_kind(checked(sources, WINDOW, TrackingServer(None)))
    moved = {one.name for one in found["data"].columns if one.state == "drifted"}
    assert "input.order" in moved


def test_while_nobody_can_tell_it_the_check_is_done_and_says_so(home: Home, sources: Sources):
    predicted(home)
    for away in (EngineUnreachableError("MLflow does not answer."), PlatformError("No token.")):
        found = checked(sources, WINDOW, TrackingServer(away))
        assert found.fault is away
        assert by_kind(found)["data"].rows == 2500


class Other(TrackingServer):
    """Of which a version's training logged what cannot be read."""

    def artifacts(self, workspace: str, run_id: str, path: str) -> tuple[ArtifactEntry, ...]:
        return (ArtifactEntry(f"{path}/reference.json", False, None),)

    def version_of(self, workspace: str, model: str, version: int) -> Version:
        return Version(model, version, None, 0, "READY", "", "", {})


def test_a_version_without_a_run_leaves_nothing_out(home: Home):
    assert reference.skipped(home, Other(CONTENT), "p", "m", 9) == frozenset()  # type: ignore[arg-type]


def test_it_takes_no_importance_from_what_is_data():
    rows = list(range(400))
    answer = [str(one % 2) for one in rows]
    table = pa.table({
        "input.seed": [float(one % 2) for one in rows], "input.a": [float(one % 4) for one in rows],
        "input.v[0]": [float(one % 2) for one in rows], "output.label": answer,
    })  # fmt: skip
    assert made(table, "all").importance["input.a"] < 0.5
    found = made(table, "some", ignored=["input.seed", "input.v[0]"])
    assert found.importance == {"input.a": pytest.approx(1.0)}
    assert made(table, "all").leaving_out(found.ignored).importance == found.importance


@pytest.mark.parametrize("symptom", ["data", "prediction", "accuracy"])
def test_it_is_no_cause(home: Home, sources: Sources, symptom: Any):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    predicted(home)
    asked(home, NOON - 1800.0, 300, seed=5, right=0.8, span_s=1700.0)
    asked(home, NOON - 2 * HOUR_S, 300, seed=6, right=0.9, span_s=1700.0)
    checked(sources, WINDOW, TrackingServer(None))  # a check of before it was known
    known = case(sources, "p", "m", symptom, NOON, since=NOON - HOUR_S)
    assert "input.order" in known.now.columns
    reference.skipped(sources.home, TrackingServer(CONTENT), "p", "m", 3)  # type: ignore[arg-type]
    found = case(sources, "p", "m", symptom, NOON, since=NOON - HOUR_S)
    for side in (found.then, found.now):
        assert side.columns.keys() >= {"input.a", "input.b"}
        assert not [name for name in side.columns if "order" in name or "place" in name]
    assert not [one.name for one in found.moved if "order" in one.name or "place" in one.name]
    assert found.moved
