"""A small real mirror: written by the store, read by the queries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engines.mlflow.models import Metric, Model, TrackedRun, Version
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.conftest import BOTH

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


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A mirror's place on either database; ``parametrize(…, indirect=True)`` takes one of them."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'db' / 'mirror.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    engine, sentence = schema.prepare(url)
    assert not sentence
    yield Store(engine)
    engine.dispose()


@pytest.fixture
def mirror(url: str, store: Store) -> Iterator[Mirror]:
    del store  # the tables are there
    mirror = Mirror(url)
    yield mirror
    mirror.engine.dispose()


__all__ = ["Metric", "Model", "Version", "tracked"]
