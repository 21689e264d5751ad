"""The priority-weight strategy: Airflow orders tasks as the platform's fair share says.

Airflow asks once a task and run: when the run is made, a mapped task expands, or the task is
cleared. What waits already keeps its weight, so the line moves by releasing tasks in turn (see
``told.ToldFile.verdict``), and the weights order what is released.

The class must be registered in every process of Airflow. A file in its plugins folder does it:
``from mlops_workflows.weights import FairSharePlugin``.
"""

from typing import TYPE_CHECKING, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.task.priority_strategy import PriorityWeightStrategy

from mlops_workflows.told import ToldFile, key

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

_FILE = ToldFile()


class FairShareWeights(PriorityWeightStrategy):
    """Weights of the platform; without them the task's own, which is its project's priority."""

    def get_weight(self, ti: "TaskInstance") -> int:
        """Return the weight of a task: higher goes first."""
        whole = key(ti.dag_id, ti.run_id, ti.task_id)
        mapped = key(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
        task = getattr(ti, "task", None)
        priority = 1 if task is None else task.priority_weight
        return _FILE.weight((mapped, whole, f"{ti.dag_id}/{ti.run_id}"), priority)


class FairSharePlugin(AirflowPlugin):
    """Registers the strategy."""

    name = "mlops_fair_share"
    priority_weight_strategies: ClassVar = [FairShareWeights]
