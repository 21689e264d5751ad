"""What Airflow loads at its start: the order of tasks by the controller's weights."""

import os
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from airflow.task.priority_strategy import PriorityWeightStrategy

from mlops_workflows.files import read_object

_READ: dict[str, tuple[int, dict[str, Any]]] = {}


class FairWeight(PriorityWeightStrategy):
    """The weight the controller gave a task or its project, else the contract's priority."""

    def get_weight(self, ti: Any) -> int:
        """Return the weight."""
        said = weights()
        job = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}"
        own = said.get("weights", {}).get(job)
        of_project = said.get("projects", {}).get(str(ti.dag_id).partition(".")[0])
        found = own if own is not None else of_project
        return int(found) if isinstance(found, int | float) else int(ti.task.priority_weight)


FAIR_WEIGHT = f"{FairWeight.__module__}.{FairWeight.__qualname__}"
"""The name by which a DAG asks for it."""


class MlopsPlugin(AirflowPlugin):
    """Registers the strategy."""

    name = "mlops"
    priority_weight_strategies = (FairWeight,)


def weights() -> dict[str, Any]:
    """Return what the controller wrote; read again only when the file is another."""
    path = Path(os.environ.get("MLOPS_HOME", "")) / "airflow" / "weights.json"
    try:
        now = path.stat().st_mtime_ns
    except OSError:
        return {}
    known = _READ.get(str(path))
    if known is None or known[0] != now:
        known = _READ[str(path)] = (now, read_object(path) or {})
    return known[1]


def is_registered() -> bool:
    """Return whether Airflow knows the strategy: a DAG that names an unknown one is refused."""
    from airflow.plugins_manager import get_priority_weight_strategy_plugins

    return FairWeight in get_priority_weight_strategy_plugins().values()
