"""``mlops up --demo``: every project trains for real, through Airflow, and is told as it goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.errors import (
    EngineUnreachableError,
    GateError,
    MlopsError,
    NotFoundError,
    PlatformError,
)
from services.home import Home

if TYPE_CHECKING:
    from services.mirror.queries import Mirror
    from services.mirror.workflow_models import TaskRun, WorkflowRun
    from services.mirror.workflow_queries import Workflows
    from services.projects.contract import Contract
    from services.settings import Settings

Say = Callable[[str, str], None]
"""Called with a project's title and what happens to it."""

_FOUND_S = 180.0
"""Airflow reads new workflow files every few seconds, and the first ones once it is up."""
_POLL_S = 0.5
_AT = {
    "data_pull": "its environment and data are made ready",
    "train": "trains",
    "evaluate": "evaluates",
    "register": "its model is registered",
    "gate": "its model is held against the gates",
}


def demo(home: Home) -> None:
    """Train what has no model yet, promote what passes, and say so.

    Raises:
        PlatformError: A project failed; the others went on.
    """
    from services.mirror.queries import Mirror
    from services.platform.configuration import load_settings

    began = time.monotonic()
    settings = load_settings()
    mirror = Mirror.open(settings)

    def say(title: str, what: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {title}: {what}")

    if settings.airflow_enabled:
        projects, failed = _through_airflow(home, settings, mirror, say)
    else:
        projects, failed = _directly(home, settings, mirror, say)
    _promote_best(mirror, projects)
    if failed:
        raise PlatformError(
            f"The demo failed for {', '.join(failed)}.",
            "`mlops workflows list` and the page Workflows say why; `mlops up --demo` tries again."
            if settings.airflow_enabled
            else "Their logs are train-<id>.log in the logs folder; `mlops up --demo` tries again.",
        )
    served = _serve(settings, say)
    count = len(projects)
    click.echo(f"The demo is ready: {count} projects with real runs and registered models{served}.")


def _serve(settings: "Settings", say: Say) -> str:
    """Deploy models of different kinds and ask them, where this installation serves."""
    if not settings.serving_enabled:
        return ""
    from services.commands import demo_serving, demo_traffic
    from services.commands.acting import context

    served = demo_serving.serve(say)
    demo_traffic.bring(context(), [one.info for one in served], say)
    return f", {len(served)} models of different kinds in service"


def _is_trained(mirror: "Mirror", project: str) -> bool:
    return any(p.id == project and p.models > 0 for p in mirror.projects((project,)))


def _is_connected(home: Home, mirror: "Mirror", project: str, path: Path) -> bool:
    """Return whether a project has the endpoints of this very platform."""
    from services.projects.onboarding import read_env_file

    token = home.secrets / f"mlflow-project-{project}.token"
    said = read_env_file(path)
    mine = token.exists() and said.get("MLFLOW_TRACKING_TOKEN") == token.read_text().strip()
    known = any(p.state == "connected" for p in mirror.projects((project,)))
    return mine and known and said.get("MLOPS_HOME") == str(home.root)


def _directly(
    home: Home, settings: "Settings", mirror: "Mirror", say: Say
) -> tuple[list[str], list[str]]:
    """Train without Airflow, two at a time; return the projects that went well and those not."""
    from services.projects import demo as direct

    results = direct.run(
        home,
        settings.projects_root,
        say,
        connected=lambda project, path: _is_connected(home, mirror, project, path),
        done=lambda project: _is_trained(mirror, project),
    )
    return [r.project for r in results if not r.error], [r.title for r in results if r.error]


@dataclass(slots=True)
class _Followed:
    """A run that was launched, and what was said of it."""

    contract: "Contract"
    dag_id: str
    run_id: str = ""
    error: str = ""
    said: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: bool = False

    def tell(self, say: Say, what: str) -> None:
        if what and what != self.said:
            say(self.contract.title, what)
            self.said = what


def _through_airflow(
    home: Home, settings: "Settings", mirror: "Mirror", say: Say
) -> tuple[list[str], list[str]]:
    """Launch every training and follow them to their end; who waits for what is said."""
    from services.mirror.workflow_queries import Workflows
    from services.projects import discovery

    found = [
        (one.path, one.contract)
        for one in discovery.found(settings.projects_root, ())
        if one.contract is not None
    ]
    if not found:
        raise PlatformError(
            f"There is no project under {settings.projects_root}.",
            "Set MLOPS_PROJECTS_ROOT to their folder.",
        )
    workflows = Workflows(mirror)
    all_of = [_Followed(contract, f"{contract.id}.train") for _, contract in found]
    for (path, contract), one in zip(found, all_of, strict=True):
        if _is_trained(mirror, contract.id):
            one.ended = True
            one.tell(say, "has results already")
            continue
        try:
            _wait(partial(_is_connected, home, mirror, contract.id, path), one)
            _wait(partial(_is_known, workflows, one.dag_id), one)
            one.run_id = _launched(workflows, one.dag_id)
            one.tell(say, "is launched")
        except MlopsError as error:
            one.error, one.ended = error.message, True
            one.tell(say, f"failed: {error.message.splitlines()[0]}")
    _follow(workflows, [one for one in all_of if not one.ended], say)
    well = [one.contract.id for one in all_of if not one.error]
    return well, [one.contract.title for one in all_of if one.error]


def _wait(holds: Callable[[], bool], one: _Followed) -> None:
    end = time.monotonic() + _FOUND_S
    while not holds():
        if time.monotonic() > end:
            raise PlatformError(
                f"{one.contract.title} was not connected, or Airflow did not find {one.dag_id}, "
                f"within {_FOUND_S:.0f} s.",
                "`mlops logs controller` and `mlops logs airflow-dag-processor` tell why.",
            )
        time.sleep(0.2)


def _is_known(workflows: "Workflows", dag_id: str) -> bool:
    try:
        return not workflows.workflow(dag_id).broken
    except NotFoundError:
        return False


def _launched(workflows: "Workflows", dag_id: str) -> str:
    """Launch a training; an Airflow that is busy with its start is asked again."""
    end = time.monotonic() + _FOUND_S
    while True:
        try:
            return _launch(workflows, dag_id)
        except EngineUnreachableError:
            if time.monotonic() > end:
                raise
            time.sleep(1.0)


def _launch(workflows: "Workflows", dag_id: str) -> str:
    """Launch a training and return its run; one that is under way (an earlier demo's) is it."""
    from services.actions.workflow_launch import LaunchWorkflow, launched
    from services.commands.acting import perform

    under_way = workflows.runs(dag_id, states=("queued", "running"), limit=1)
    if under_way:
        return under_way[0].run_id
    made = launched(perform(LaunchWorkflow(dag_id, note="By `mlops up --demo`.")))
    assert made is not None  # noqa: S101 - it is a launch
    return made[1]


def _follow(workflows: "Workflows", left: list[_Followed], say: Say) -> None:
    while left:
        time.sleep(_POLL_S)
        waits = _waits(workflows)
        for one in left:
            try:
                run = workflows.run(one.dag_id, one.run_id)
            except NotFoundError:  # the mirror follows within a second
                continue
            tasks = workflows.tasks(one.dag_id, one.run_id)
            if run.ended_at is None:
                one.tell(say, waits.get(f"{one.dag_id}/{one.run_id}/train") or _now(tasks))
                continue
            _end(one, run, tasks, say)
        left = [one for one in left if not one.ended]


def _waits(workflows: "Workflows") -> dict[str, str]:
    """Return by job what it waits for, in a word."""
    from services.workflows.queue import KINDS

    decided = workflows.queue()
    return {
        row.id: f"waits: {row.said}" if row.kind == "engine" else f"waits for {KINDS[row.kind]}"
        for row in (decided.rows if decided else ())
        if row.state in {"waiting", "held"} and row.kind in KINDS and row.kind != "dependency"
    }


def _now(tasks: tuple["TaskRun", ...]) -> str:
    running = [one for one in tasks if one.state == "running" and one.evidence]
    return _AT.get(running[0].task_id, "") if running else ""


def _end(one: _Followed, run: "WorkflowRun", tasks: tuple["TaskRun", ...], say: Say) -> None:
    one.ended = True
    failed = next((task for task in tasks if task.state == "failed"), None)
    if run.state == "failed":
        said = failed.evidence.get("sentence") if failed else None
        where = f"{failed.label}: " if failed else ""
        one.error = f"{where}{said or 'Airflow tells no reason.'}"
        one.tell(say, f"failed at {one.error}")
        return
    runs = sum(len(task.run_ids) for task in tasks)
    took = time.monotonic() - one.began
    one.tell(say, f"is done: {runs} runs, {took:.0f} s after the launch")


def _promote_best(mirror: "Mirror", projects: list[str]) -> None:
    """Promote the newest version of each project that passes its gates and has no champion."""
    from services.actions.promote import Promote
    from services.commands.acting import act

    _wait_shown(lambda: all(mirror.models(project) for project in projects))
    promoted = set()
    for project in projects:
        for model in mirror.models(project):
            if model.versions and model.with_alias("champion") is None:
                try:
                    act(Promote(project, model.name, model.versions[0].version))
                except GateError as error:
                    click.echo(f"{model.name} stays without champion: {error.message}")
                else:
                    promoted.add((project, model.name))
    _wait_shown(lambda: promoted <= _with_champion(mirror))


def _with_champion(mirror: "Mirror") -> set[tuple[str, str]]:
    return {
        (model.project, model.name) for model in mirror.models() if model.with_alias("champion")
    }


def _wait_shown(holds: Callable[[], bool]) -> None:
    """Wait for the mirror to show what MLflow has already."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not holds():
        time.sleep(0.2)
