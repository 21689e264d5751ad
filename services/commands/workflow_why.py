"""``mlops workflows why``: why a run failed, task by task."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, print_json, say, sentences
from services.home import Home

if TYPE_CHECKING:
    from services.mirror.workflow_models import TaskRun
    from services.workflows.explaining import Log
    from services.workflows.failure import Explanation

_FAILED = frozenset({"failed", "up_for_retry"})
_WIDTH = 34
_LINES, _MOST_LINES = 200, 20_000


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@json_option
@sentences
def why(*, run: str, task: str | None, as_json: bool) -> None:
    """Say why RUN failed, or one TASK of it: cause, figures, what is different, what to do."""
    found = explanations(run, task)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        for line in text(one):
            say(line)
    if not found:
        say("No task of it failed.")


def explanations(run: str, label: str | None) -> list["Explanation"]:
    """Return an explanation of each failed task of a run, or of the one that is named.

    Raises:
        NotFoundError: There is no such run, or no such task in it.
    """
    from services.commands.workflows import named
    from services.engines.silicon.machine import own_id
    from services.errors import NotFoundError
    from services.mirror.queries import Mirror
    from services.mirror.workflow_queries import Workflows
    from services.platform.configuration import load_settings
    from services.telemetry.store import Store
    from services.workflows.explaining import explained

    dag_id, run_id = named(run)
    home = Home.locate()
    known = Workflows(Mirror.open(load_settings()))
    known.run(dag_id, run_id)
    tasks = known.tasks(dag_id, run_id)
    wanted = [one for one in tasks if _is_wanted(one, label)]
    if label is not None and not wanted:
        names = ", ".join(one.label for one in tasks) or "none yet"
        raise NotFoundError(f"{run[:100]} has no task {label[:100]!r}.", f"Its tasks: {names}.")
    telemetry, here = Store(home.telemetry), own_id(home.run / "host-id")
    folder = home.airflow / "evidence"
    log = _log()
    return [explained(one, tasks, known, folder, telemetry, here, log) for one in wanted]


def _log() -> "Log":
    """Return how Airflow's log of a task is read; nothing of it when Airflow cannot be asked."""
    from services.commands.acting import context
    from services.commands.following import LogReader
    from services.errors import MlopsError

    def read(task: "TaskRun") -> Sequence[str]:
        try:
            reader = LogReader(context().airflow, task, max(1, task.tries), whole=True)
            return tuple(islice(reader.news(), _MOST_LINES))[-_LINES:]
        except MlopsError:  # what Airflow says of it is more than is needed
            return ()

    return read


def _is_wanted(task: "TaskRun", label: str | None) -> bool:
    return task.state in _FAILED if label is None else task.label == label


def text(one: "Explanation") -> list[str]:
    """Return an explanation as it is printed, line by line."""
    lines = [f"{one.task}: {one.cause}", ""]
    lines += [
        f"{'▸' if fact.telling else ' '} {fact.label:<{_WIDTH}} "
        f"{fact.said if fact.known else f'({fact.said})'}"
        for fact in one.facts
    ]
    lines += ["", f"  {one.compared}"]
    lines += [
        f"  {diff.what:<{_WIDTH}} {diff.before or 'not there'} → {diff.now or 'gone'}"
        for diff in one.different
    ]
    if one.lines:
        lines += ["", "  Its last lines:"]
        lines += [
            f"  {'▸' if number == one.marked else ' '} {line}"
            for number, line in enumerate(one.lines)
        ]
    lines += ["", f"  {one.next_step}"]
    if one.setting:
        lines.append(f"  In [tool.mlops]: {one.setting}")
    if one.command:
        lines.append(f"  {one.command}")
    return [*lines, ""]
