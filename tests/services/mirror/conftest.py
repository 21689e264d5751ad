"""A small real mirror: written by the store, read by the queries."""

from pathlib import Path

import pytest

from services.engines.mlflow.models import Metric, Model, TrackedRun, Version
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store

HOUR_MS = 3_600_000
BASE_MS = 1_790_000_000_000


def tracked(number: int, **changes: object) -> TrackedRun:
    """Return a run; ``number`` gives it its id and its place in time."""
    values: dict[str, object] = {
        "run_id": f"{number:032x}",
        "experiment_id": "1",
        "name": f"run-{number}",
        "status": "finished",
        "user": "ana",
        "started_ms": BASE_MS + number * HOUR_MS,
        "ended_ms": BASE_MS + number * HOUR_MS + 60_000,
        "deleted": False,
        "artifact_uri": None,
        "metrics": {"loss": Metric(1.0 / number, 10, BASE_MS)},
        "params": {"rank": str(number % 3), "note": "a b"},
        "tags": {"mlops.technique": "lora" if number % 2 else "full"},
    }
    return TrackedRun(**{**values, **changes})  # type: ignore[arg-type]  # the tests' own fields


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'db' / 'mirror.sqlite'}"


@pytest.fixture
def store(url: str) -> Store:
    engine, sentence = schema.prepare(url)
    assert not sentence
    return Store(engine)


@pytest.fixture
def mirror(url: str, store: Store) -> Mirror:
    del store  # the tables are there
    return Mirror(url)


__all__ = ["Metric", "Model", "Version", "tracked"]
