"""What is made of Airflow's workers: states, what they can do, and sentences of what was lost."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.engines.airflow.models import EdgeJob, EdgeWorker
from services.resources.capacity import Rule
from services.resources.models import GIB
from services.workflows import workers
from services.workflows.workers import Loss, Worker

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
FACTS = {
    "concurrency": 4,
    "mlops_chip": "Apple M3 Max",
    "mlops_gpu_cores": 40,
    "mlops_memory_bytes": 64 * GIB,
    "mlops_projects": json.dumps(["clip", "lora"]),
    "mlops_system": "macOS 26.1",
}
STUDIO = EdgeWorker("studio", "running", ("mlops@studio",), 1, AT, AT, None, FACTS)
HUB = EdgeWorker("hub", "idle", ("mlops@hub",), 0, AT, AT, None, {"mlops_memory_bytes": 24 * GIB})
TRAIN = EdgeJob(
    "lora.train", "r1", "train", -1, 1, "running", "mlops@studio", "studio", AT, AT
)  # fmt: skip


def test_a_worker_with_what_it_can_do_and_runs():
    (found,) = workers.seen((STUDIO,), (TRAIN, replace(TRAIN, run_id="r0", state="success")))
    assert found == Worker(
        host="studio", state="busy", said="It runs tasks.", heartbeat_at=AT,
        queues=("mlops@studio",), chip="Apple M3 Max", gpu_cores=40, memory_bytes=64 * GIB,
        system="macOS 26.1", projects=("clip", "lora"), slots=4,
        running=("lora.train/r1/train/1",),
    )  # fmt: skip


@pytest.mark.parametrize("word", ["unknown", "other"])
def test_one_that_nothing_is_known_of_takes_no_task(word):
    found = workers.seen((replace(STUDIO, state=word),), ())
    (machine,) = workers.machines(found, "hub")
    assert machine.capacity.absent == "its worker is lost"


def test_the_machines_of_the_ledger():
    found = workers.seen((STUDIO, HUB, replace(STUDIO, name="old", state="offline")), ())
    hub, studio = workers.machines(found, "hub")
    assert (hub.capacity.host, hub.projects, hub.has("anything")) == ("hub", None, True)
    # Of the platform's machine more is kept: its engines run there.
    assert hub.capacity.memory_bytes == 19 * GIB
    assert studio.projects == {"clip", "lora"}
    assert studio.capacity.memory_bytes == 64 * GIB - int(64 * GIB * 0.15)
    assert studio.capacity.said == "64.0 GB, as its worker tells"
    drained = workers.seen(
        (replace(STUDIO, state="maintenance mode", comment="New disk."),), ()
    )  # fmt: skip
    assert drained[0].said == "It takes no task. New disk."
    assert workers.machines(drained, "hub")[0].capacity.absent == "its worker is drained"


def test_what_an_administrator_gave_counts_for_the_machines_of_workers():
    found = workers.seen((STUDIO, HUB), ())
    hub, studio = workers.machines(found, "hub", {"studio": Rule(20 * GIB, 2)})
    assert (studio.capacity.memory_bytes, studio.capacity.gpu_slots) == (20 * GIB, 2)
    assert studio.capacity.total_bytes == 64 * GIB  # what it asks for is of the whole machine
    assert (hub.capacity.gpu_slots, hub.capacity.given) == (1, "")


def test_what_tells_nonsense_is_not_believed():
    odd = {"mlops_gpu_cores": "many", "mlops_projects": "[", "mlops_chip": 3, "concurrency": True}
    (found,) = workers.seen((replace(STUDIO, facts=odd),), ())
    assert (found.gpu_cores, found.projects, found.chip, found.slots) == (None, (), None, None)


def lost(*jobs: EdgeJob) -> tuple[Loss, ...]:
    found = workers.seen((replace(STUDIO, state="unknown"), HUB), jobs)
    return workers.losses(found, jobs, "hub")


def test_a_lost_task_and_where_it_is_tried_again():
    (loss,) = lost(TRAIN)
    assert (loss.again_on, loss.attempt, loss.lost_at) == (None, 1, AT)
    assert loss.said == (
        "Worker studio was lost; its task lora.train/r1/train is given up a minute after its last "
        "sign, and tried again if it has a try left."
    )
    again = replace(TRAIN, attempt=2, worker="hub", queue="mlops@hub")
    (loss,) = lost(replace(TRAIN, state="up_for_retry"), again)
    assert loss.said == (
        "Worker studio was lost; its task lora.train/r1/train is tried again on hub (try 2)."
    )
    (loss,) = lost(TRAIN, replace(again, worker=None, queue="mlops@mini", state="queued"))
    assert loss.again_on == "mini"
    (loss,) = lost(replace(TRAIN, state="deferred"))
    assert "is given up a minute after" in loss.said
    (loss,) = lost(TRAIN, replace(again, state="deferred"))
    assert loss.again_on is None
    assert loss.said.endswith("is tried again as soon as it is given a machine.")


def test_what_ended_before_is_no_loss_and_mapped_tasks_are_apart():
    assert lost(replace(TRAIN, state="success")) == ()
    first, second = replace(TRAIN, map_index=1), replace(TRAIN, map_index=2, attempt=2)
    (loss, _) = lost(first, replace(second, worker="studio"))
    assert loss.job == "lora.train/r1/train[1]"
    assert loss.again_on is None
    assert workers.losses(workers.seen((STUDIO,), (TRAIN,)), (TRAIN,)) == ()
