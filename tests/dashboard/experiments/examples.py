"""Runs and details for tests of pure parts."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from services.mirror.models import MetricPoint, Run, RunDetail, TechniqueRow

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def run(run_id: Any = "a", **changes: Any):
    values = {
        "run_id": run_id,
        "project": "lora-finetuning",
        "experiment_id": "1",
        "name": f"run {run_id}",
        "status": "finished",
        "status_reason": "",
        "technique": "lora",
        "baseline": False,
        "started_at": START,
        "ended_at": START + timedelta(seconds=42),
        "user": "ada",
        "host": "mac-1",
        "archived": False,
        "metrics": {},
        "params": {},
        "tags": {},
    }
    return Run(**values | changes)


def detail(run_id: Any = "a", **changes: Any):
    one = run(run_id, **changes)
    points = {name: MetricPoint(value, 10, START) for name, value in one.metrics.items()}
    return RunDetail(one, points, None, ())


def technique(
    name: Any,
    values: Any,
    *,
    baseline: Any = False,
    metric: Any = "val_accuracy",
    unfinite: int = 0,
):
    """A leaderboard row with the real mean and interval of real values."""
    import numpy as np

    from services.mirror.projects import mean_interval

    if not values:
        return TechniqueRow("p", name, baseline, metric, 0, unfinite, NAN, None, None, NAN, "r")
    mean, low, high = mean_interval(np.array(values, dtype=float))
    return TechniqueRow(
        "p", name, baseline, metric, len(values), unfinite, mean, low, high, max(values), "r"
    )


NAN = math.nan
