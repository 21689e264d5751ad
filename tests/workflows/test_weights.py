"""The strategy in Airflow itself: a real database, real DAG runs, the weights it stores."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.workflows.airflow_env import airflow_python

ROOT = Path(__file__).resolve().parents[2]
DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("lora.train", schedule=None):
    BashOperator(
        task_id="train",
        bash_command="true",
        priority_weight=7,
        weight_rule="mlops_workflows.plugin.FairWeight",
    )
"""

pytestmark = pytest.mark.engine


class Airflow:
    """An Airflow home of its own, asked through Airflow's command line."""

    def __init__(self, home: Path) -> None:
        self.home = home / "airflow"
        (self.home / "dags").mkdir(parents=True)
        (self.home / "plugins").mkdir()
        (self.home / "dags" / "lora.py").write_text(DAG)
        plugin = "from mlops_workflows.plugin import MlopsPlugin\n"
        (self.home / "plugins" / "fair.py").write_text(plugin)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "MLOPS_HOME": str(home),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "PYTHONPATH": str(ROOT / "workflows" / "src"),
        }
        self("db", "migrate")
        self("dags", "reserialize")

    def __call__(self, *arguments: str) -> None:
        done = subprocess.run(
            [airflow_python(), "-m", "airflow", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def tell(self, **weights: int) -> None:
        named = {f"lora.train/{run}/train": weight for run, weight in weights.items()}
        new = self.home / "new.json"
        new.write_text(json.dumps({"v": 1, "weights": named}))
        new.replace(self.home / "weights.json")

    def weights(self) -> dict[str, int]:
        with sqlite3.connect(self.home / "airflow.db") as database:
            query = "select run_id, priority_weight from task_instance"
            return dict(database.execute(query).fetchall())


def test_airflow_stores_the_weights_of_the_platform(tmp_path: Path):
    airflow = Airflow(tmp_path)
    airflow("dags", "trigger", "lora.train", "--run-id", "one")
    assert airflow.weights() == {"one": 1007}  # nothing decided: the project's priority
    airflow.tell(one=1099, two=1042)
    airflow("dags", "trigger", "lora.train", "--run-id", "two")
    # A run that is there keeps its weight: the line moves by releasing tasks, not by weights.
    assert airflow.weights() == {"one": 1007, "two": 1042}
    (airflow.home / "weights.json").write_text("{")
    airflow("dags", "trigger", "lora.train", "--run-id", "three")
    assert airflow.weights()["three"] == 1007
    airflow.tell(one=1099)
    airflow("tasks", "clear", "lora.train", "--yes")
    assert airflow.weights()["one"] == 1099  # what is cleared is asked for again
