"""An Airflow that tells what a test says, by the adapter's own methods and models."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.engines.airflow.models import (
    Asset,
    AssetEvent,
    AssetEvents,
    Dag,
    DagDetail,
    DagRun,
    ImportFault,
    Param,
    Pool,
    RunPage,
    Task,
    TaskInstance,
)
from services.errors import EngineRefusedError, EngineUnreachableError
from tests.services.mirror.workflow_things import T0, dag_run, task


def dag(dag_id: str = "lora.train", **more: Any) -> Dag:
    said: dict[str, Any] = {
        "dag_id": dag_id, "title": dag_id, "description": None, "paused": False, "stale": False,
        "broken": False, "file": f"mlops_dag_{dag_id.partition('.')[0]}.py", "schedule": None,
        "tags": (), "owners": (), "parsed_at": T0, "next_run_at": None, "max_active_runs": 1,
        "max_active_tasks": 16,
    }  # fmt: skip
    return Dag(**{**said, **more})


def step(task_id: str, *downstream: str, operator: str = "PlatformTask") -> Task:
    return Task(task_id, task_id, operator, downstream, "default_pool", 1, 1.0, 0, "all_success",
                mapped=False)  # fmt: skip


STEPS = (
    step("data_pull", "train"),
    step("train", "gate", operator="HeavyTask"),
    step("gate"),
)


@dataclass
class ToldAirflow:
    """What it has; ``asked`` counts its answers by name."""

    all_dags: dict[str, Dag] = field(default_factory=dict)
    all_runs: dict[tuple[str, str], DagRun] = field(default_factory=dict)
    all_tasks: dict[tuple[str, str, str, int], TaskInstance] = field(default_factory=dict)
    faults: tuple[ImportFault, ...] = ()
    all_assets: tuple[Asset, ...] = ()
    events: tuple[AssetEvent, ...] = ()
    all_pools: dict[str, Pool] = field(default_factory=dict)
    plans: dict[tuple[str, str], Any] = field(default_factory=dict)
    brought: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    """Evidence of tasks that ran elsewhere."""
    asked: list[str] = field(default_factory=list)
    away: bool = False

    def add(self, one: Dag) -> None:
        self.all_dags[one.dag_id] = one

    def run(self, dag_id: str = "lora.train", run_id: str = "one", state: str = "running",
            **more: Any) -> None:  # fmt: skip
        self.all_runs[dag_id, run_id] = dag_run(dag_id, run_id, state, **more)

    def task(self, task_id: str, state: str, dag_id: str = "lora.train", run_id: str = "one",
             **more: Any) -> None:  # fmt: skip
        operator = "HeavyTask" if task_id == "train" else "PlatformTask"
        made = task(task_id, state, dag_id, run_id, **{"operator": operator, **more})
        self.all_tasks[dag_id, run_id, task_id, made.map_index] = made

    def _ask(self, name: str) -> None:
        if self.away:
            raise EngineUnreachableError("Airflow does not answer.")
        self.asked.append(name)

    # The adapter's methods

    def dags(self) -> tuple[Dag, ...]:
        self._ask("dags")
        return tuple(self.all_dags.values())

    def dag(self, dag_id: str) -> DagDetail:
        self._ask(f"dag {dag_id}")
        params = (Param("epochs", 3, None, {"type": "integer"}),)
        return DagDetail(self.all_dags[dag_id], params, None, None, catchup=False, version=1)

    def tasks(self, dag_id: str) -> tuple[Task, ...]:
        del dag_id
        return STEPS

    def import_errors(self) -> tuple[ImportFault, ...]:
        return self.faults

    def assets(self) -> tuple[Asset, ...]:
        return self.all_assets

    def asset_events(self, since: datetime | None = None) -> AssetEvents:
        self._ask("asset_events")
        return AssetEvents(tuple(one for one in self.events if since is None or one.at >= since))

    def dag_runs_since(self, changed_since: datetime | None) -> Iterator[DagRun]:
        self._ask("changes" if changed_since else "everything")
        return iter(tuple(self.all_runs.values()) if changed_since is None else ())

    def dag_runs(self, *, states: tuple[str, ...], page: str = "") -> RunPage:
        del page
        self._ask("active")
        return RunPage(tuple(r for r in self.all_runs.values() if r.state in states), None)

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        self._ask("one run")
        if (dag_id, run_id) not in self.all_runs:
            raise EngineRefusedError("It was not found.", status=404)
        return self.all_runs[dag_id, run_id]

    def task_instances(
        self,
        dag_id: str | None = None,
        run_id: str | None = None,
        *,
        changed_since: datetime | None = None,
    ) -> Iterator[TaskInstance]:
        if dag_id is None:
            return iter(tuple(self.all_tasks.values()) if changed_since is None else ())
        return iter(
            [t for t in self.all_tasks.values() if (t.dag_id, t.run_id) == (dag_id, run_id)]
        )

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        del map_index
        if key == "evidence":
            return self.brought.get((dag_id, run_id, task_id))
        return self.plans.get((dag_id, run_id))

    def pools(self) -> tuple[Pool, ...]:
        self._ask("pools")
        return tuple(self.all_pools.values())

    def set_pool(self, name: str, slots: int, description: str = "") -> Pool:
        self._ask(f"set {name} {slots}")
        made = Pool(name, slots, description, 0, 0, 0, 0, 0, slots, counts_deferred=False)
        self.all_pools[name] = made
        return made

    def turns(self, key: tuple[str, str, str, int], **more: Any) -> None:
        self.all_tasks[key] = replace(self.all_tasks[key], **more)
