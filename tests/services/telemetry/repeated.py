"""Runs of techniques as the controller leaves them in a mirror, for tests of what they cost."""

import itertools
from pathlib import Path
from typing import Any

from services.engines.mlflow.models import Metric, TrackedRun
from services.mirror import schema
from services.mirror.main_metric import Primary
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.telemetry.conditions import Conditions
from services.telemetry.economics import Repeats
from services.telemetry.repeats import repeats_of

_numbers = itertools.count()
BEGIN_MS = 1_760_000_000_000


def cost(
    technique: Any = "lora",
    quality: Any = 0.9,
    joules: Any = 1000.0,
    *,
    seconds: Any = 60.0,
    mlx: Any = None,
    processes: Any = 4e9,
    metric: Any = "acc",
    under: Any = None,
    **changed: Any,
):
    """One finished run; a figure that is None was not logged, a tag that is "" is not there."""
    values = {
        metric: quality,
        "system/energy_j": joules,
        "system/mlx_peak_bytes": mlx,
        "system/peak_memory_bytes": processes,
    }
    tags = {
        "mlops.technique": technique,
        "mlops.role": changed.pop("role", ""),
        "mlops.host": changed.pop("host", "mini"),
        "mlops.chip": changed.pop("chip", "Apple M4"),
        "mlops.energy.quality": changed.pop("energy", "measured"),
        "mlops.energy.boundary": changed.pop("boundary", "cpu+gpu+ane"),
        "mlops.energy.reason": changed.pop("reason", ""),
        "mlops.conditions": under.to_json() if under is not None else "",
    }
    ended = None if seconds is None else BEGIN_MS + int(seconds * 1000)
    status = changed.pop("status", "finished")
    assert not changed
    metrics = {name: Metric(v, 1, BEGIN_MS) for name, v in values.items() if v is not None}
    said = {name: value for name, value in tags.items() if value}
    return {"status": status, "ended_ms": ended, "metrics": metrics, "tags": said}


def ran(**changed: Any):
    """What a run ran under: undisturbed unless it is said."""
    values: dict[str, Any] = {
        "host": "mini", "seconds": 60.0, "coverage": 1.0, "chip": "Apple M4", "gpu_cores": 10,
        "thermal_max": 0, "thermal_mean": 0.0, "thermal_s": {"0": 60.0}, "low_power": 0.0,
        "battery": 0.0, "pressure": 0.0, "pressure_max": 1, "swap_in_bytes": 0.0,
        "fallback": False, "neighbours": (),
    }  # fmt: skip
    return Conditions(**values | changed)


def written(url: Any, runs: Any, project: Any = "p"):
    """Write the runs of a project into a mirror, newest last."""
    engine, _ = schema.prepare(url)
    made = [
        TrackedRun(
            run_id=f"{project}{index:04d}".ljust(32, "a"),
            experiment_id="1",
            name=f"run-{index}",
            user="mira",
            started_ms=BEGIN_MS,
            deleted=False,
            artifact_uri=None,
            params={},
            **run,
        )
        for index, run in enumerate(runs)
    ]
    Store(engine).write_runs(project, made)
    engine.dispose()


def repeats(folder: Path, runs: Any, goal: Any = "max", metric: Any = "acc") -> Repeats:
    """Return the runs as the services count them."""
    url = f"sqlite:///{folder / f'mirror-{next(_numbers)}.sqlite'}"
    written(url, runs)
    (found,) = repeats_of(Mirror(url), [Primary("p", metric, goal)])
    return found
