"""What the actions on workflows have in common: whose they are, and what is known of them.

``check`` and ``consequences`` run where somebody waits: they ask the mirror, and Airflow only of
what the mirror does not know yet. Steps ask Airflow.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.actions.action import Context
from services.errors import (
    ConflictError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
)
from services.mirror.models import Freshness
from services.mirror.workflow_models import ENDED_TASKS, WorkflowRun
from services.mirror.workflow_queries import PLATFORM, Workflows

_ID_LIMIT = 250
_GONE = 404
_TRUSTED = timedelta(seconds=60)
"""What the mirror says of Airflow counts while its writer was heard of so lately."""
_LABEL = re.compile(r"(?P<task>[^\[\]/]+)(?:\[(?P<index>\d{1,9})\])?")


@dataclass(frozen=True, slots=True)
class Known:
    """What a launch needs to know of a workflow."""

    dag_id: str
    title: str
    paused: bool
    broken: bool
    params: Mapping[str, Mapping[str, Any]]
    """JSON schema by name."""


@dataclass(frozen=True, slots=True)
class KnownTask:
    """One task of a run, its newest try."""

    label: str
    state: str
    tries: int

    @property
    def ended(self) -> bool:
        """Whether it ended, well or not."""
        return self.state in ENDED_TASKS


def project_of(dag_id: str) -> str | None:
    """Return whose workflow it is; None for those over all projects."""
    project = dag_id.partition(".")[0]
    return None if project == PLATFORM else project


def check_ids(*ids: str) -> None:
    """Refuse what can be no id of a workflow or a run.

    Raises:
        InputError: It is empty, too long, or has what no id has.
    """
    for one in ids:
        if not 0 < len(one) <= _ID_LIMIT or "/" in one or not one.isprintable():
            raise InputError(
                f"{one[:60]!r} is no id of a workflow or a run.", "`mlops workflows list`"
            )


def check_ready(context: Context) -> None:
    """Refuse while Airflow is away: an action on it could only wait.

    Raises:
        EngineMissingError: It is switched off.
        EngineUnreachableError: It is away; since when, why, and what to do is said.
    """
    name = context.airflow.name  # meeting it tells whether it is switched on
    known = {one.engine: one for one in context.mirror.freshness()}
    found = known.get("airflow")
    if found is None or found.state == "live" or not _is_told(known.get("controller")):
        return
    since = f" since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else ""
    word = "is away" if found.state == "down" else "does not answer as it should"
    reason = f": {found.reason.rstrip('.')}" if found.reason else ""
    raise EngineUnreachableError(
        f"{name} {word}{since}{reason}.", found.hint or "`mlops status` says how it is."
    )


def _is_told(controller: Freshness | None) -> bool:
    """Return whether whoever writes down how Airflow is has been heard of lately."""
    at = controller.last_sync if controller is not None else None
    return at is not None and abs(datetime.now(UTC) - at) < _TRUSTED


def workflow(context: Context, dag_id: str) -> Known:
    """Return a workflow.

    Raises:
        NotFoundError: There is none.
        EngineError: It is not in the mirror, and Airflow does not answer.
    """
    check_ids(dag_id)
    try:
        found = Workflows(context.mirror).workflow(dag_id)
    except NotFoundError:
        return _asked_workflow(context, dag_id)
    params = {one.name: one.schema for one in found.params}
    return Known(dag_id, found.title, found.paused, found.broken, params)


def _asked_workflow(context: Context, dag_id: str) -> Known:
    try:
        found = context.airflow.dag(dag_id)
    except EngineRefusedError as error:
        if error.status != _GONE:
            raise
        raise _no_workflow(dag_id) from error
    if found.dag.stale:
        raise _no_workflow(dag_id)
    params = {one.name: one.schema for one in found.params}
    return Known(dag_id, found.dag.title, found.dag.paused, found.dag.broken, params)


def _no_workflow(dag_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no workflow {dag_id[:100]!r}.",
        "`mlops workflows list` names all; one of a new project is there within half a minute.",
    )


def refuse_broken(context: Context, found: Known) -> None:
    """Refuse a workflow whose file cannot be made into one now.

    Raises:
        ConflictError: The message tells the cause.
    """
    if not found.broken:
        return
    project = project_of(found.dag_id)
    faults = Workflows(context.mirror).faults(None if project is None else (project,))
    own = [one.cause for one in faults if one.project == (project or PLATFORM)]
    cause = f": {own[0].rstrip('.')}" if own else ""
    raise ConflictError(
        f"{found.title} is broken now{cause}.", "Mend its file; Airflow reads it within seconds."
    )


def active_runs(context: Context, dag_id: str) -> tuple[WorkflowRun, ...]:
    """Return the runs of a workflow that have not ended, as far as the mirror knows."""
    return Workflows(context.mirror).runs(dag_id, states=("queued", "running"))


def run_state(context: Context, dag_id: str, run_id: str) -> str:
    """Return the state of a run: queued, running, success, failed.

    Raises:
        NotFoundError: There is none.
        EngineError: It is not in the mirror, and Airflow does not answer.
    """
    check_ids(dag_id, run_id)
    try:
        return Workflows(context.mirror).run(dag_id, run_id).state
    except NotFoundError:
        return asked_run_state(context, dag_id, run_id)


def asked_run_state(context: Context, dag_id: str, run_id: str) -> str:
    """Return the state of a run as Airflow has it now.

    Raises:
        NotFoundError: There is none.
        EngineError: Airflow does not answer.
    """
    try:
        return context.airflow.dag_run(dag_id, run_id).state
    except EngineRefusedError as error:
        if error.status != _GONE:
            raise
        raise NotFoundError(
            f"There is no run {run_id[:100]!r} of {dag_id[:100]!r}.",
            f"`mlops workflows show {dag_id[:100]}`",
        ) from error


def tasks(context: Context, dag_id: str, run_id: str) -> dict[str, KnownTask]:
    """Return the tasks of a run by label.

    Raises:
        EngineError: The run is not in the mirror, and Airflow does not answer.
    """
    found = Workflows(context.mirror).tasks(dag_id, run_id)
    if not found:
        return asked_tasks(context, dag_id, run_id)
    return {one.label: KnownTask(one.label, one.state, one.tries) for one in found}


def asked_tasks(context: Context, dag_id: str, run_id: str) -> dict[str, KnownTask]:
    """Return the tasks of a run by label, as Airflow has them now.

    Raises:
        EngineError: Airflow does not answer.
    """
    made = {}
    for one in context.airflow.task_instances(dag_id, run_id):
        label = one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]"
        made[label] = KnownTask(label, one.state, one.tries)
    return made


def marked(label: str) -> str | tuple[str, int]:
    """Return a label as Airflow names a task: ``client[3]`` is one of several that are mapped.

    Raises:
        InputError: It is no label.
    """
    found = _LABEL.fullmatch(label)
    if found is None:
        raise InputError(
            f"{label[:60]!r} is no task of a run.", "Name it as `mlops workflows show` does."
        )
    return found["task"] if found["index"] is None else (found["task"], int(found["index"]))


def listed(names: Sequence[str]) -> str:
    """Return names for a sentence, the first of many."""
    few = ", ".join(names[:5])
    return few if len(names) <= 5 else f"{few} and {len(names) - 5} more"
