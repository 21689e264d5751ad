"""Launching a run from the command line, and staying with it until it ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import click

from services.commands.output import print_json, say
from services.errors import ConflictError, InputError, PlatformError

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.commands.following import Ended

param_option = click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated."
)
note_option = click.option("--note", default="", help="Why; it stands with the run.")
wait_option = click.option("--wait", is_flag=True, help="Show its log until it ended.")
_INTERRUPTED = 130


def words(params: Sequence[str]) -> dict[str, str]:
    """Return ``NAME=VALUE`` words by name.

    Raises:
        InputError: One is none, or a name is there twice.
    """
    found: dict[str, str] = {}
    for param in params:
        name, sign, value = param.partition("=")
        if not sign or not name.strip():
            raise InputError(f"{param[:60]!r} is no NAME=VALUE.", "For example --param epochs=3.")
        if name.strip() in found:
            raise InputError(f"The parameter {name.strip()!r} is given twice.")
        found[name.strip()] = value
    return found


def launch(
    dag_id: str, params: Sequence[str], note: str, *, wait: bool = False, as_json: bool = False
) -> None:
    """Launch a run and tell which; with ``wait`` exit 1 when it fails.

    Raises:
        InputError: A parameter is unknown, of the wrong type or out of range.
        MlopsError: It was refused, or failed to launch.
    """
    from services.actions.launch_outlook import contract_of, form_of
    from services.actions.workflow_launch import LaunchWorkflow, launched
    from services.actions.workflows import check_ready, workflow
    from services.commands.acting import actor, context, perform

    given = words(params)
    here, action = context(), LaunchWorkflow(dag_id, "{}", note)
    contract = contract_of(here, action.project)
    check_ready(here)
    typed = form_of(workflow(here, dag_id), contract).typed(given)
    action = replace(action, params=json.dumps(typed))
    action.check(here, actor())
    for warning in action.consequences(here)[1:]:
        say(warning, err=True)
    record = perform(action)
    found = launched(record)
    if found is None or record.state != "done":
        raise ConflictError(
            f"{record.title} is still under way: {record.error or 'nobody took it up yet'}",
            "It goes on by itself; `mlops workflows show` tells of it.",
        )
    if wait:
        follow(here, *found, as_json=as_json, action=record.id)
    elif as_json:
        print_json({"action": record.id, **_shape(here, *found)})
    else:
        say(f"{record.title}: {record.result}.")
        say(f"Follow it: mlops workflows logs {found[0]}/{found[1]} --follow", err=True)


def follow(
    context: "Context",
    dag_id: str,
    run_id: str,
    *,
    as_json: bool = False,
    action: int | None = None,
) -> None:
    """Stay with a run until it ended; exit 1 when it failed. Ctrl-C leaves it going."""
    from services.commands.following import Follower, Reasons
    from services.commands.screen import shown
    from services.home import Home

    reasons = Reasons(Home.locate(), lambda: _queue(context))
    name = f"{dag_id}/{run_id}"
    if not as_json:
        say(f"Following {name}.", err=True)
    try:
        with shown(silent=as_json) as screen:
            ended = Follower(context.airflow, screen, reasons.of).to_end(dag_id, run_id)
    except KeyboardInterrupt:
        say(
            f"{name} goes on without you. Follow it: mlops workflows logs {name} --follow; "
            f"end it: mlops workflows cancel {name}",
            err=True,
        )
        raise SystemExit(_INTERRUPTED) from None
    if as_json:
        print_json(({} if action is None else {"action": action}) | _shape(context, dag_id, run_id))
    _tell(ended, as_json=as_json)


def _tell(ended: "Ended", *, as_json: bool) -> None:
    if not ended.well:
        _failed(ended)
    if not as_json:
        say(ended.said)


def _failed(ended: "Ended") -> NoReturn:
    say(f"Error: {ended.said}", err=True)
    if ended.hint:
        say(ended.hint, err=True)
    raise SystemExit(1)


def _shape(context: "Context", dag_id: str, run_id: str) -> dict[str, object]:
    run = context.airflow.dag_run(dag_id, run_id)
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "state": run.state,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def _queue(context: "Context") -> Mapping[str, str]:
    from services.mirror.workflow_queries import Workflows

    try:
        decided = Workflows(context.mirror).queue()
    except PlatformError:  # the log goes on without it
        return {}
    return {row.id: row.said for row in decided.rows} if decided else {}
