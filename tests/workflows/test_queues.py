"""Which queue a task goes to at the moment Airflow hands it out."""

import json
import os
import time
from pathlib import Path

import pytest
from mlops_workflows.queues import queue_for
from mlops_workflows.told import ToldFile

from services.workflows import routes

NAME = "lora.train/r1/train"


@pytest.mark.parametrize(
    ("released", "held", "queue"),
    [
        ({NAME: "studio"}, {}, "mlops@studio"),
        ({}, {NAME: "It is not its turn."}, "mlops@hub"),
        ({"lora.train/r2/train": "studio"}, {}, "mlops@hub"),
    ],
)
def test_it_goes_where_it_was_released_and_to_the_platform_to_wait(
    tmp_path: Path, released, held, queue
):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({"released": released, "held": held}))
    assert queue_for(ToldFile(path), NAME, "mlops@pro", "hub") == queue


def test_while_nobody_decides_it_goes_to_a_machine_that_fits(tmp_path: Path):
    path = tmp_path / "weights.json"
    assert queue_for(ToldFile(path), NAME, "mlops@pro", "hub") == "mlops@pro"
    path.write_text(json.dumps({"released": {NAME: "studio"}}))
    os.utime(path, (time.time() - 90,) * 2)
    assert queue_for(ToldFile(path), NAME, "mlops@pro", "hub") == "mlops@pro"


def test_both_sides_call_a_machine_s_queue_the_same(tmp_path: Path):
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({"released": {NAME: "studio"}}))
    assert queue_for(ToldFile(path), NAME, "", "hub") == routes.queue_of("studio")
