"""What an engine said, as rows of the mirror's tables."""

import json
import math

from services.engines.mlflow.models import Metric, Model, TrackedRun, Version


def sign_of_life_ms(run: TrackedRun) -> int | None:
    """Return the time of the newest thing the run did: start, metric or heartbeat."""
    signs = [metric.at_ms for metric in run.metrics.values()]
    signs += [sign for sign in (run.started_ms, heartbeat_ms(run)) if sign is not None]
    return max(signs, default=None)


def heartbeat_ms(run: TrackedRun) -> int | None:
    """Return the client's last heartbeat; None for a run without our client."""
    try:
        return int(float(run.tags.get("mlops.heartbeat", "")) * 1000)
    except (ValueError, OverflowError):
        return None


def run_row(rid: int, project: str, run: TrackedRun, change: int) -> dict[str, object]:
    """Return the row of a run."""
    return {
        "rid": rid,
        "run_id": run.run_id,
        "project": project,
        "experiment_id": run.experiment_id,
        "name": run.name,
        "status": run.status,
        "status_reason": "",
        "technique": run.tags.get("mlops.technique"),
        "baseline": run.tags.get("mlops.role") == "baseline",
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "user": run.tags.get("mlflow.user") or run.user,
        "host": run.tags.get("mlops.host"),
        "archived": run.deleted,
        "artifact_uri": run.artifact_uri,
        "heartbeat_ms": heartbeat_ms(run),
        "sign_ms": sign_of_life_ms(run),
        "change": change,
    }


def metric_row(key_id: int, rid: int, metric: Metric) -> dict[str, object]:
    """Return the row of a metric; NaN becomes NULL."""
    value = None if math.isnan(metric.value) else metric.value
    return {
        "key_id": key_id,
        "rid": rid,
        "value": value,
        "step": metric.step,
        "at_ms": metric.at_ms,
    }


def model_row(project: str, model: Model) -> dict[str, object]:
    """Return the row of a registered model."""
    return {
        "project": project,
        "name": model.name,
        "description": model.description,
        "aliases": json.dumps(model.aliases).encode(),
        "tags": json.dumps(model.tags).encode(),
    }


def version_row(project: str, version: Version) -> dict[str, object]:
    """Return the row of a version."""
    return {
        "project": project,
        "name": version.model,
        "version": version.version,
        "run_id": version.run_id,
        "created_ms": version.created_ms,
        "status": version.status,
        "description": version.description,
        "source": version.source,
        "tags": json.dumps(version.tags).encode(),
    }
