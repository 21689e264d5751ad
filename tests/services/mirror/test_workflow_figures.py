"""The record of workflows: how runs ended, and how long they took."""

from pathlib import Path

import pytest

from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.workflow_figures import Record, records
from services.mirror.workflow_store import WorkflowStore
from tests.services.mirror.workflow_things import at, dag_run


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    url = f"sqlite:///{tmp_path}/mirror.db"
    store = WorkflowStore(schema.prepare(url)[0])
    lengths = (10.0, 20.0, 60.0)
    runs = [
        dag_run(run_id=f"r{n}", state="success", started_at=at(100 * n), ended_at=at(100 * n + s))
        for n, s in enumerate(lengths)
    ]
    runs.append(dag_run(run_id="bad", state="failed", started_at=at(400), ended_at=at(401)))
    runs.append(dag_run(run_id="now"))
    store.write_runs([("lora", run) for run in runs], {})
    store.engine.dispose()
    return Mirror(url)


def test_the_median_is_of_successes_alone(mirror: Mirror):
    found = records(mirror, ["lora.train", "vision.train"])
    assert found == {"lora.train": Record(4, 3, 20.0), "vision.train": Record(0, 0, None)}
    assert found["lora.train"].share == 0.75
    assert found["vision.train"].share is None


def test_what_ended_before_the_range_does_not_count(mirror: Mirror):
    assert records(mirror, ["lora.train"], at(200))["lora.train"] == Record(2, 1, 60.0)
    assert records(mirror, [], at(200)) == {}
