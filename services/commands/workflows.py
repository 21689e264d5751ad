"""``mlops workflows``: workflows of all projects, their runs and logs; acting on them."""

import time
from typing import TYPE_CHECKING

import click

from services.commands.launching import follow, launch, note_option, param_option, wait_option
from services.commands.output import (
    json_option,
    moment,
    print_json,
    print_table,
    say,
    sentences,
)
from services.commands.workflow_why import why

if TYPE_CHECKING:
    from services.actions.action import Action
    from services.commands.following import LogReader
    from services.mirror.workflow_models import TaskRun, Workflow, WorkflowRun
    from services.mirror.workflow_queries import Workflows

_POLL_S = 1.0
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


def _known() -> "Workflows":
    from services.mirror.queries import Mirror
    from services.mirror.workflow_queries import Workflows
    from services.platform.configuration import load_settings

    return Workflows(Mirror.open(load_settings()))


def named(text: str) -> tuple[str, str]:
    """Return (workflow, run) of ``DAG/RUN``, or of RUN alone where one workflow has such a run.

    Raises:
        NotFoundError: There is none.
        InputError: Several have.
    """
    dag_id, slash, run_id = text.partition("/")
    if slash:
        return dag_id, run_id
    found = _known().find_run(text)
    return found.dag_id, found.run_id


def shape(one: "Workflow", last: "WorkflowRun | None") -> dict[str, object]:
    """Return a workflow in the documented JSON shape."""
    keys = ("run_id", "state", "started_at", "ended_at")
    return {
        "dag_id": one.dag_id,
        "project": one.project,
        "kind": one.name,
        "title": one.title,
        "paused": one.paused,
        "broken": one.broken,
        "schedule": one.schedule,
        "next_run_at": one.next_run_at,
        "last_run": None if last is None else {key: getattr(last, key) for key in keys},
    }


def run_shape(run: "WorkflowRun") -> dict[str, object]:
    """Return a run in the documented JSON shape."""
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": run.state,
        "kind": run.kind,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "params": dict(run.conf),
        "note": run.note,
        "caused_by": None if run.caused_by is None else "/".join(run.caused_by),
    }


def task_shape(task: "TaskRun") -> dict[str, object]:
    """Return a task of a run in the documented JSON shape."""
    keys = ("label", "state", "tries", "queued_at", "started_at", "ended_at", "host", "run_ids")
    told = {key: getattr(task, key) for key in keys}
    return told | {"job": task.job, "sentence": task.evidence.get("sentence")}


@click.group()
def workflows() -> None:
    """Workflows: list, show, trigger, pause, resume, retry, cancel, clear, logs."""


workflows.add_command(why)


@workflows.command("list")
@click.option("--project", help="One project's id.")
@json_option
@sentences
def list_workflows(*, project: str | None, as_json: bool) -> None:
    """List the workflows of all projects, with their last and next run."""
    known = _known()
    found = [one for one in known.workflows() if project in {None, one.project}]
    rows = [(one, next(iter(known.runs(one.dag_id, limit=1)), None)) for one in found]
    if as_json:
        print_json([shape(one, last) for one, last in rows])
        return
    cells = [
        [
            one.dag_id,
            "broken" if one.broken else "paused" if one.paused else "",
            last.state if last else "–",
            moment(last.started_at if last else None),
            one.schedule or "–",
            moment(one.next_run_at),
        ]
        for one, last in rows
    ]
    columns = ["workflow", "", "last run", "started", "schedule", "next run"]
    print_table(columns, cells, "There is no workflow yet: a connected project brings its own.")
    for fault in known.faults():
        if project in {None, fault.project}:
            say(f"{fault.file} makes no workflow: {fault.cause}", err=True)


@workflows.command()
@click.argument("name")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000))
@json_option
@sentences
def show(*, name: str, limit: int, as_json: bool) -> None:
    """Show a workflow with its parameters and last runs; or DAG/RUN with its tasks."""
    if "/" in name:
        _show_run(name, as_json=as_json)
        return
    known = _known()
    one, runs = known.workflow(name), known.runs(name, limit=limit)
    if as_json:
        told = shape(one, runs[0] if runs else None)
        tasks = [{"task_id": t.task_id, "downstream": t.downstream} for t in one.tasks]
        params = [{"name": p.name, "default": p.default, "schema": p.schema} for p in one.params]
        more = {"tasks": tasks, "params": params, "runs": [run_shape(run) for run in runs]}
        print_json(told | more | {"makes": one.makes, "starts_on": one.starts_on})
        return
    state = "broken" if one.broken else "paused" if one.paused else "ready"
    say(f"{one.title} ({one.dag_id}): {state}; next run {moment(one.next_run_at)}")
    say(f"Tasks: {' → '.join(task.task_id for task in one.tasks)}")
    params_cells = [
        [p.name, str(p.default), str(p.schema.get("type", "")), str(p.schema.get("title", ""))]
        for p in one.params
    ]
    print_table(["parameter", "default", "type", ""], params_cells, "It has no parameters.")
    runs_cells = [
        [run.run_id, run.state, run.kind, moment(run.started_at), moment(run.ended_at),
         run.note or ""]
        for run in runs
    ]  # fmt: skip
    print_table(["run", "state", "by", "started", "ended", "note"], runs_cells, "It never ran.")


def _show_run(name: str, *, as_json: bool) -> None:
    known = _known()
    run = known.find_run(name)
    tasks = known.tasks(run.dag_id, run.run_id)
    if as_json:
        print_json(run_shape(run) | {"tasks": [task_shape(task) for task in tasks]})
        return
    say(f"{run.dag_id}/{run.run_id}: {run.state}. {run.note or ''}".strip())
    cells = [
        [t.label, t.state, str(t.tries), moment(t.started_at), moment(t.ended_at), t.host or "–",
         str(t.evidence.get("sentence") or "")]
        for t in tasks
    ]  # fmt: skip
    columns = ["task", "state", "try", "started", "ended", "machine", ""]
    print_table(columns, cells, "No task of it has begun.")


@workflows.command()
@click.argument("dag_id", metavar="DAG")
@param_option
@note_option
@wait_option
@json_option
@sentences
def trigger(*, dag_id: str, params: tuple[str, ...], note: str, wait: bool, as_json: bool) -> None:
    """Launch a run of DAG; with --wait stay until it ended."""
    launch(dag_id, params, note, wait=wait, as_json=as_json)


@workflows.command()
@click.argument("dag_id", metavar="DAG")
@sentences
def pause(*, dag_id: str) -> None:
    """Have no task of DAG begin until it is resumed."""
    from services.actions.workflow_pause import PauseWorkflow

    _act(PauseWorkflow(dag_id, paused=True))


@workflows.command()
@click.argument("dag_id", metavar="DAG")
@sentences
def resume(*, dag_id: str) -> None:
    """Let tasks of DAG begin again."""
    from services.actions.workflow_pause import PauseWorkflow

    _act(PauseWorkflow(dag_id, paused=False))


@workflows.command()
@click.argument("run", metavar="RUN")
@_yes
@sentences
def cancel(*, run: str, yes: bool) -> None:
    """End RUN (DAG/RUN, or a run's id); what runs is told to end."""
    from services.actions.workflow_cancel import CancelRun

    _act(CancelRun(*named(run)), yes=yes)


@workflows.command()
@click.argument("run", metavar="RUN")
@wait_option
@sentences
def retry(*, run: str, wait: bool) -> None:
    """Do what failed of RUN again, and what comes after it."""
    from services.actions.workflow_clear import ClearTasks

    dag_id, run_id = named(run)
    _act(ClearTasks(dag_id, run_id, (), downstream=True))
    if wait:
        _follow(dag_id, run_id)


@workflows.command()
@click.argument("run", metavar="RUN")
@click.argument("tasks", nargs=-1, required=True, metavar="TASK…")
@click.option("--downstream", is_flag=True, help="Also the tasks after them.")
@_yes
@sentences
def clear(*, run: str, tasks: tuple[str, ...], downstream: bool, yes: bool) -> None:
    """Do tasks of RUN that ended again; TASK is a name such as train or client[3]."""
    from services.actions.workflow_clear import ClearTasks

    _act(ClearTasks(*named(run), tasks, downstream), yes=yes)


@workflows.command()
@click.argument("run", metavar="RUN")
@click.argument("task", required=False)
@click.option("--try", "attempt", type=click.IntRange(1), help="Which try; default: the newest.")
@click.option("--follow", "following", is_flag=True, help="Stay until it ended.")
@click.option("--whole", is_flag=True, help="With what Airflow says of itself.")
@sentences
def logs(*, run: str, task: str | None, attempt: int | None, following: bool, whole: bool) -> None:
    """Print the log of RUN's tasks, or of one TASK, straight from Airflow."""
    dag_id, run_id = named(run)
    if following and task is None:
        _follow(dag_id, run_id)
        return
    reading = _readers(dag_id, run_id, task, attempt, whole=whole)
    for label, reader in reading:
        if task is None:
            say(f"— {label}", err=True)
        _print(reader, following=following)


def _readers(
    dag_id: str, run_id: str, task: str | None, attempt: int | None, *, whole: bool
) -> "list[tuple[str, LogReader]]":
    from services.actions.workflows import asked_run_state, listed
    from services.commands.acting import context
    from services.commands.following import LogReader, task_run
    from services.errors import InputError, NotFoundError

    here = context()
    asked_run_state(here, dag_id, run_id)
    known = {one.label: one for one in map(task_run, here.airflow.task_instances(dag_id, run_id))}
    if task is not None and task not in known:
        raise NotFoundError(
            f"The run has no task {task[:60]!r}.", f"It has {listed(sorted(known))}."
        )
    begun = [one for one in known.values() if one.tries and task in {None, one.label}]
    if not begun:
        raise NotFoundError(f"{task or 'No task of it'} has not begun, so there is no log yet.")
    if attempt is not None and any(attempt > one.tries for one in begun):
        raise InputError(f"There is no try {attempt}: the newest is {max(o.tries for o in begun)}.")
    begun.sort(key=lambda one: one.started_at.timestamp() if one.started_at else 0.0)
    return [
        (one.label, LogReader(here.airflow, one, attempt or one.tries, whole=whole))
        for one in begun
    ]


def _print(reader: "LogReader", *, following: bool) -> None:
    from services.commands.screen import clean

    while True:
        for line in reader.news():
            click.echo(clean(line))
        if reader.ended or not following:
            return
        time.sleep(_POLL_S)


def _act(action: "Action", *, yes: bool = True) -> None:
    from services.commands.acting import actor, context, perform

    if not yes:
        here = context()
        action.check(here, actor())
        for sentence in action.consequences(here):
            say(sentence)
        click.confirm(f"{action.title}?", abort=True)
    record = perform(action)
    say(f"{record.title}: {record.result or record.state}.")


def _follow(dag_id: str, run_id: str) -> None:
    from services.actions.workflows import asked_run_state
    from services.commands.acting import context

    here = context()
    asked_run_state(here, dag_id, run_id)
    follow(here, dag_id, run_id)
