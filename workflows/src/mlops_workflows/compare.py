"""The DAG over all projects: several trainings one after another, and one table at the end."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException

from mlops_workflows.dags import START, weight_rule
from mlops_workflows.hourly import monitor, report
from mlops_workflows.spec import Parameter, Spec, SpecError, load
from mlops_workflows.tasks import HeavyTask, PlatformTask

_MOST = 200
_OWN_DEFAULT = "as the project does it"


def platform_dags(specs_folder: str) -> dict[str, DAG]:
    """Return the DAGs over all projects; none before there is a project."""
    paths = specs_in(specs_folder)
    if not paths:
        return {}
    first = next(iter(paths.values()))
    made = (comparison(paths), monitor(first), report(first))
    return {dag.dag_id: dag for dag in made}


def specs_in(folder: str) -> dict[str, str]:
    """Return the spec files by project; a broken one is left out, its own DAG says why."""
    found = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            found[load(path).project] = str(path)
        except SpecError:
            continue
    return found


def comparison(paths: Mapping[str, str]) -> DAG:
    """Return ``platform.compare``.

    The trainings run one after another: beside each other they would spoil each other's seconds,
    joules and memory, and two of one project write into one folder.
    """
    projects = list(paths)
    with DAG(
        dag_id="platform.compare",
        dag_display_name="Compare projects and techniques",
        description="Trains each chosen project with each chosen technique; one table at the end",
        schedule=None,
        start_date=START,
        catchup=False,
        is_paused_upon_creation=False,
        params={
            "projects": Param(
                projects[:1], type="array", items={"type": "string", "enum": projects},
                minItems=1, uniqueItems=True, title="Projects", examples=projects,
            ),
            "techniques": Param(
                [], type="array", items={"type": "string", "maxLength": 200}, uniqueItems=True,
                title="Techniques", description=f"None: {_OWN_DEFAULT}.",
            ),
            "parameters": Param(
                {}, type="object", title="Parameters for each",
                description='For example {"epochs": 2}; who does not have one goes without it.',
            ),
        },
        tags=["platform", "compare"],
        default_args={
            "owner": "platform",
            "retries": 0,
            "retry_delay": timedelta(seconds=10),
            "weight_rule": weight_rule(),
        },
    ) as dag:  # fmt: skip
        first = next(iter(paths.values()))
        planned = plan.override(task_id="plan")(paths)
        ready = PlatformTask.partial(task_id="prepare", step="data-pull").expand_kwargs(
            distinct.override(task_id="projects")(planned)
        )
        train = HeavyTask.partial(
            task_id="train", entry="train", max_active_tis_per_dagrun=1, trigger_rule="all_done"
        ).expand_kwargs(planned)
        table = PlatformTask(
            task_id="table",
            spec=first,
            step="compare",
            inputs_from=("plan", "train"),
            trigger_rule="all_done",
        )
        ready >> train >> table
    return dag


@task
def plan(paths: dict[str, str], params: Any = None) -> list[dict[str, Any]]:
    """Return what is trained; wrong wishes are named before anything begins."""
    try:
        specs = {project: load(paths[project]) for project in params["projects"]}
        trainings = list(wishes(specs, params["techniques"], params["parameters"]))
    except (SpecError, KeyError) as error:
        raise AirflowFailException(str(error)) from error
    if len(trainings) > _MOST:
        raise AirflowFailException(
            f"{len(trainings)} trainings are more than {_MOST}; choose less."
        )
    return [{"spec": paths[project], "overrides": overrides} for project, overrides in trainings]


@task
def distinct(trainings: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return each project once: its environment and data are made ready before any training."""
    return [{"spec": spec} for spec in dict.fromkeys(one["spec"] for one in trainings)]


def wishes(
    specs: Mapping[str, Spec], techniques: Iterable[str], parameters: Mapping[str, Any]
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield each project with the parameters of one training.

    A technique that a project does not have is left out there.

    Raises:
        SpecError: No project has a technique, or a parameter; or one is out of range.
    """
    chosen = list(techniques)
    _check_known(specs.values(), chosen, parameters)
    for project, spec in specs.items():
        known = {one.name: one for one in spec.parameters}
        shared = {n: value for n, value in parameters.items() if n in known}
        for name, value in shared.items():
            _check(known[name], value, spec)
        there = known["technique"].choices if "technique" in known else ()
        mine = [technique for technique in chosen if technique in there]
        for overrides in [{"technique": one} for one in mine] or [{}] * (not chosen):
            yield project, {**shared, **overrides}


def _check_known(
    specs: Iterable[Spec], techniques: Iterable[str], parameters: Mapping[str, Any]
) -> None:
    known = [one for spec in specs for one in spec.parameters]
    names = {one.name for one in known}
    choices = {choice for one in known if one.name == "technique" for choice in one.choices}
    for technique in techniques:
        if technique not in choices:
            raise SpecError(
                f"None of the chosen projects has the technique {technique[:60]!r}; they have "
                f"{', '.join(sorted(choices)) or 'none to choose from'}."
            )
    for name in parameters:
        if name not in names:
            raise SpecError(f"None of the chosen projects has the parameter {name[:60]!r}.")


def _check(one: Parameter, value: Any, spec: Spec) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    try:
        Param(one.default, **one.schema()).resolve(value)
    except ParamValidationError as error:
        said = str(error).splitlines()[0]
        raise SpecError(f"{one.name} of {spec.title} cannot be {value!r}: {said}.") from error
