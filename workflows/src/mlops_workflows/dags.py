"""The DAGs of one project."""

import importlib.util
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, Param

from mlops_workflows import plugin
from mlops_workflows.pausing import UNCOUNTED_S
from mlops_workflows.queues import BESIDE
from mlops_workflows.spec import Spec, SpecError, load
from mlops_workflows.tasks import HeavyTask, PlatformTask, ProjectTask

START = datetime(2026, 1, 1, tzinfo=UTC)
_RETRY_DELAY = timedelta(seconds=10)
_PATIENCE = timedelta(minutes=2)
_TAKEN = frozenset({"train", "retrain", "release", "federated"})
_POOL = ("pool", "pool_slots")
_MACHINE = ("queue", "executor")
_REVISION = Param(
    None,
    title="Version of the data",
    description="Empty: the folder as it is; else this version is checked out first.",
    type=["null", "string"],
    pattern="^[0-9a-f]{6,64}$",
)


def project_dags(spec_path: str) -> dict[str, DAG]:
    """Return the DAGs that a project's contract makes.

    Raises:
        SpecError: The spec is broken.
    """
    from mlops_workflows.release import release

    spec = load(spec_path)
    made = [training(spec, spec_path, "train"), training(spec, spec_path, "retrain")]
    made.append(release(spec, spec_path))
    if spec.federated is not None:
        from mlops_workflows.federated import federated

        made.append(federated(spec, spec_path))
    return {dag.dag_id: dag for dag in made}


def asset(project: str) -> Asset:
    """Return what a version that passed its gates is announced with."""
    return Asset(name=f"{project}/passed-gates", uri=f"mlops://{project}/passed-gates")


def training(spec: Spec, spec_path: str, name: str) -> DAG:
    """Return ``train`` or ``retrain``: data pull → train → evaluate → register → gate."""
    with new_dag(spec, name, schedule=spec.schedule if name == "retrain" else None) as dag:
        data = PlatformTask(task_id="data_pull", spec=spec_path, step="data-pull")
        train = HeavyTask(task_id="train", spec=spec_path, entry="train", **heavy(spec))
        evaluate = evaluation(spec, spec_path)
        data >> train >> evaluate >> registration(spec, spec_path)
    return dag


def evaluation(spec: Spec, spec_path: str, trained: str = "train") -> ProjectTask | PlatformTask:
    """Return the project's own evaluation, else the check that the training told its metric."""
    if spec.evaluate:
        where = {"execution_timeout": _most(spec)} | beside(spec, trained)
        return ProjectTask(task_id="evaluate", spec=spec_path, entry="evaluate", **where)
    return PlatformTask(
        task_id="evaluate", spec=spec_path, step="evaluate-check", inputs_from=(trained,)
    )


def registration(spec: Spec, spec_path: str, trained: str = "train") -> PlatformTask:
    """Return ``register`` with ``gate`` behind it; ``trained`` is the task with the runs."""
    register = PlatformTask(
        task_id="register", spec=spec_path, step="register", inputs_from=(trained,)
    )
    gate = PlatformTask(
        task_id="gate",
        spec=spec_path,
        step="gate",
        inputs_from=("register",),
        outlets=[asset(spec.project)],
    )
    register >> gate
    return register


def new_dag(spec: Spec, name: str, *, schedule: str | None = None, **more: Param) -> DAG:
    """Return an empty DAG with the project's parameters.

    One run at a time: two trainings would write over each other's files in the project's folder.
    """
    params: dict[str, Any] = {one.name: parameter(one) for one in spec.parameters}
    params |= {"data_revision": _REVISION, **more}
    if name == "retrain":
        params["reason"] = Param(
            "by schedule" if schedule else "", title="Why", type="string", maxLength=500
        )
    return dag_of(spec, name, schedule, params)


def dag_of(spec: Spec, name: str, schedule: Any, params: dict[str, Any]) -> DAG:
    """Return an empty DAG of the project with these parameters alone."""
    return DAG(
        dag_id=f"{spec.project}.{name}",
        dag_display_name=f"{spec.title}: {name}",
        description=f"{name} of {spec.title}, from its contract",
        schedule=schedule,
        start_date=START,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params=params,
        tags=[spec.project, name],
        default_args={
            "owner": spec.project,
            "retries": spec.retries,
            "retry_delay": _RETRY_DELAY,
            "priority_weight": spec.priority,
            "weight_rule": weight_rule(),
        },
    )


def parameter(one: Any) -> Param:
    """Return a parameter of a spec as Airflow's."""
    return Param(one.default, **one.schema())


def heavy(spec: Spec, *, pooled: bool = True) -> dict[str, Any]:
    """Return what a task that trains is given: its place in pools, and a second line of timeout.

    Args:
        spec: The project.
        pooled: Whether it takes a slot; who trains as part of another task does not.
    """
    keys = (*_POOL, *_MACHINE) if pooled else _MACHINE
    routed = {key: spec.route[key] for key in keys if spec.route.get(key)}
    return routed | {"at_most": _most(spec)}


def beside(spec: Spec, task: str) -> dict[str, Any]:
    """Return what sends a task to the machine on which another one ran: its files are there."""
    executor = spec.route.get("executor")
    return {"executor": executor, "queue": f"{BESIDE}{task}"} if executor else {}


def _most(spec: Spec) -> timedelta:
    # The runner ends it in time; should the runner hang, Airflow does a little later.
    # Neither the time it may be paused nor a timeout of its own is known to Airflow.
    return timedelta(seconds=spec.timeout_s + UNCOUNTED_S) + _PATIENCE


def weight_rule() -> str:
    """Return by which rule Airflow orders tasks: the controller's, else the bare priority.

    By name: Airflow 3.3 does not find an object again when it starts mapped tasks.
    """
    return plugin.FAIR_WEIGHT if plugin.is_registered() else "absolute"


def own_dags(spec_path: str, file: str) -> dict[str, DAG]:
    """Return the DAGs of a file of the project's own. What the file raises is not caught.

    Raises:
        SpecError: It is not there, or a DAG's id is not the project's or taken.
    """
    spec = load(spec_path)
    path = Path(spec.path) / file
    name = "mlops_own_" + re.sub(r"\W", "_", f"{spec.project}/{file}")
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None or not path.is_file():
        raise SpecError(f"{path}, which `dags` in [tool.mlops] names, is not there.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    dags = {one.dag_id: one for one in vars(module).values() if isinstance(one, DAG)}
    for dag_id in dags:
        project, _, name = dag_id.partition(".")
        if project != spec.project or not name:
            raise SpecError(f"The DAG {dag_id} of {path} must be named {spec.project}.SOMETHING.")
        if name in _TAKEN:
            raise SpecError(f"The DAG {dag_id} of {path} has the name of one of the contract.")
    return dags
