"""What Airflow loads of ours: the order of tasks, by the controller's weights.

Airflow asks for a weight once a task and run: when the run is made, a mapped task expands, or the
task is cleared. What waits already keeps its weight, so the line moves by releasing tasks in turn
(see ``told.ToldFile.verdict``), and the weights order what is released. It does not find a strategy
again when it starts mapped tasks unless it is given by name: ``FAIR_WEIGHT``.
"""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.task.priority_strategy import PriorityWeightStrategy

from mlops_workflows.told import ToldFile, key

_FILE = ToldFile()


class FairWeight(PriorityWeightStrategy):
    """The weight the controller gave a task, else by the contract's priority."""

    def get_weight(self, ti: Any) -> int:
        """Return the weight of a task: higher goes first."""
        whole = key(ti.dag_id, ti.run_id, ti.task_id)
        mapped = key(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
        task = getattr(ti, "task", None)
        return _FILE.weight((mapped, whole), 1 if task is None else int(task.priority_weight))


FAIR_WEIGHT = f"{FairWeight.__module__}.{FairWeight.__qualname__}"
"""The name by which a DAG asks for it."""


class MlopsPlugin(AirflowPlugin):
    """Registers the strategy."""

    name = "mlops"
    priority_weight_strategies: ClassVar = [FairWeight]


def is_registered() -> bool:
    """Return whether Airflow knows the strategy: a DAG that names an unknown one is refused."""
    from airflow.plugins_manager import get_priority_weight_strategy_plugins

    return FairWeight in get_priority_weight_strategy_plugins().values()
