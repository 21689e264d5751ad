import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.engines.mlflow.models import Metric, Point, TrackedRun
from services.engines.mlflow.wire import HistoryWire, RunWire


def test_a_run_becomes_our_run():
    wire = RunWire.model_validate(
        {
            "info": {
                "run_id": "a" * 32,
                "experiment_id": "7",
                "run_name": "quiet-fox",
                "status": "FINISHED",
                "user_id": "ana",
                "start_time": 1000,
                "end_time": 2000,
                "lifecycle_stage": "deleted",
                "artifact_uri": "mlflow-artifacts:/x",
                "something_new": 1,
            },
            "data": {
                "metrics": [{"key": "loss", "value": 0.5, "timestamp": 1500, "step": 3}],
                "params": [{"key": "rank", "value": "8"}],
                "tags": [{"key": "mlops.technique", "value": "lora"}],
            },
        }
    )
    assert wire.to_model() == TrackedRun(
        run_id="a" * 32,
        experiment_id="7",
        name="quiet-fox",
        status="finished",
        user="ana",
        started_ms=1000,
        ended_ms=2000,
        deleted=True,
        artifact_uri="mlflow-artifacts:/x",
        metrics={"loss": Metric(0.5, 3, 1500)},
        params={"rank": "8"},
        tags={"mlops.technique": "lora"},
    )


def test_numbers_that_json_has_no_word_for():
    wire = HistoryWire.model_validate(
        {
            "metrics": [
                {"key": "m", "value": "NaN"},
                {"key": "m", "value": "Infinity"},
                {"key": "m", "value": -1.7976931348623157e308},
            ]
        }
    )
    values = [point.value for point in wire.to_points()]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_a_metric_of_zero_is_not_missing():
    wire = HistoryWire.model_validate({"metrics": [{"key": "m", "value": 0, "step": 0}]})
    assert wire.to_points() == (Point(0.0, 0, 0),)


@pytest.mark.parametrize("logged", [-(2**63), 2**63 - 1])
@pytest.mark.parametrize("hours", [-12, 14])
def test_a_time_no_date_can_hold_is_the_nearest_one_in_any_time_zone(logged: int, hours: int):
    wire = HistoryWire.model_validate({"metrics": [{"key": "m", "timestamp": logged}]})
    found = datetime.fromtimestamp(wire.to_points()[0].at_ms / 1000, UTC)
    assert found.astimezone(timezone(timedelta(hours=hours))).year in {1, 9999}
