"""The workflows of the tests against a real Airflow: runs in Airflow's own environment."""

import logging
import time
from datetime import timedelta

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import Asset, Param, dag, get_current_context, task

MODEL = Asset("model://drill/classifier", group="mlops")


@dag(
    dag_id="drill.train",
    dag_display_name="Drill: train",
    description="Trains the drill",
    schedule=None,
    tags=["mlops", "drill"],
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=1, minutes=30),
    params={
        "epochs": Param(3, type="integer", minimum=1, maximum=100, title="Epochs"),
        "rate": Param(0.01, type="number", description="Learning rate"),
        "optimizer": Param("adam", type="string", enum=["adam", "sgd"]),
        "wait_s": Param(0, type="number"),
        "fail": Param(False, type="boolean"),
    },
)
def train():
    """Trains, evaluates, and says that a model was made."""

    @task
    def pull() -> list[int]:
        return [0, 1]

    @task(pool_slots=1, retries=0)
    def fit(part: int) -> dict[str, object]:
        context = get_current_context()
        params = context["params"]
        logging.getLogger("drill").info("part %s for %s epochs", part, params["epochs"])
        time.sleep(params["wait_s"])
        if params["fail"]:
            raise ValueError("the loss is not a number")
        return {"run_ids": [f"run-{part}"], "loss": 0.25}

    @task(outlets=[MODEL])
    def register(parts: list[dict[str, object]]) -> None:
        logging.getLogger("drill").info("registered %s parts", len(list(parts)))

    register(fit.expand(part=pull()))


@dag(dag_id="drill.release", schedule=[MODEL], tags=["mlops"], is_paused_upon_creation=False)
def release():
    """Runs when a model was made."""

    @task
    def smoke() -> str:
        return "answered"

    smoke()


@dag(dag_id="drill.wait", schedule=None, tags=["mlops"], is_paused_upon_creation=False)
def wait():
    """Waits without a slot."""
    DateTimeSensorAsync(task_id="later", target_time="{{ macros.datetime(2999, 1, 1) }}")


train()
release()
wait()
