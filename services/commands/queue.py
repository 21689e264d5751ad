"""``mlops queue``: what runs, what waits and why; moving what waits; what machines offer."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands import queue_machine
from services.commands.output import json_option, print_json, print_table, say, sentences

if TYPE_CHECKING:
    from services.mirror.workflow_models import QueueRow

_OLD_S = 30.0


@click.command()
@click.option("--project", help="One project's jobs.")
@click.option(
    "--move", nargs=2, metavar="JOB front|back", help="Put a waiting job first or last in the line."
)
@click.option(
    "--priority", nargs=2, metavar="JOB N", help="Give a waiting job a priority, 1 to 10."
)
@click.option("--machine", metavar="HOST", help="Show what a machine offers to jobs.")
@click.option("--slots", metavar="N", help="With --machine: heavy jobs at a time, or `measured`.")
@click.option("--memory-gb", metavar="X", help="With --machine: memory for jobs, or `measured`.")
@click.option("--power-w", metavar="X", help="With --machine: most watts of jobs, or `none`.")
@click.option("--as-measured", is_flag=True, help="With --machine: take away all that was said.")
@json_option
@sentences
def queue(
    *,
    project: str | None,
    move: tuple[str, str] | None,
    priority: tuple[str, str] | None,
    machine: str | None,
    slots: str | None,
    memory_gb: str | None,
    power_w: str | None,
    as_measured: bool,
    as_json: bool,
) -> None:
    """Show the queue of heavy jobs, with the reason why each waits; or move one.

    With --machine: show what a machine offers to jobs, or say it, as an administrator.
    """
    changes = any(one is not None for one in (slots, memory_gb, power_w)) or as_measured
    _check_together(machine, changes=changes, jobs=bool(project or move or priority))
    if machine is not None and changes:
        queue_machine.change(machine, slots, memory_gb, power_w, as_measured=as_measured)
    elif machine is not None:
        queue_machine.show(machine, as_json=as_json)
    elif move or priority:
        _move(move, priority)
    else:
        _show(project, as_json=as_json)


def _check_together(machine: str | None, *, changes: bool, jobs: bool) -> None:
    from services.errors import InputError

    if changes and machine is None:
        raise InputError(
            "It is not said which machine is meant.", "Name it: --machine HOST; `mlops hardware`."
        )
    if machine is not None and jobs:
        raise InputError(
            "--machine goes with none of --project, --move, --priority.", "Say one after the other."
        )


def _move(move: tuple[str, str] | None, priority: tuple[str, str] | None) -> None:
    from services.actions.queue_move import MoveJob
    from services.commands.acting import act
    from services.errors import InputError

    if move and priority and move[0] != priority[0]:
        raise InputError("--move and --priority name different jobs.", "Say one after the other.")
    try:
        level = int(priority[1]) if priority else 0
    except ValueError as error:
        raise InputError(
            f"{priority[1][:20] if priority else ''!r} is no priority; one is 1 to 10."
        ) from error
    if priority and not level:
        raise InputError("0 is no priority; one is 1 to 10, higher first.")
    job = move[0] if move else priority[0] if priority else ""
    act(MoveJob(job, move[1] if move else "", level))


def _show(project: str | None, *, as_json: bool) -> None:
    from services.mirror.queries import Mirror
    from services.mirror.workflow_queries import Workflows
    from services.platform.configuration import load_settings

    mirror = Mirror.open(load_settings())
    if project is not None:
        mirror.project(project)  # an unknown one is said
    decided = Workflows(mirror).queue()
    now = datetime.now(UTC)
    rows = [r for r in (decided.rows if decided else ()) if project in {None, r.project}]
    if as_json:
        print_json([shape(row, now) for row in rows])
    else:
        columns = ["", "job", "what", "state", "starts", "priority", "why"]
        empty = "Nothing runs and nothing waits." if decided else "Nothing was decided yet."
        print_table(columns, [_cells(row, now) for row in rows], empty)
    age_s = (now - decided.at).total_seconds() if decided else None
    if age_s is None or age_s > _OLD_S:
        when = "never" if age_s is None else f"{age_s:.0f} s ago"
        say(f"The controller decided last {when}. `mlops status` says how it is.", err=True)


def shape(row: "QueueRow", now: datetime) -> dict[str, object]:
    """Return a row in the documented JSON shape; lengths are seconds from now."""
    return {
        "id": row.id,
        "project": row.project,
        "what": row.what,
        "state": row.state,
        "reason": row.said,
        "position": row.position,
        "eta_s": _from(now, row.expected_at),
        "priority": row.priority,
        "kind": row.kind,
        "unblock": row.unblock,
        "host": row.host,
        "since": row.since,
        "eta_late_s": _from(now, row.expected_late_at),
        "eta_reason": row.expected_said,
        "ends_in_s": _from(now, row.ends_at),
        "weight": row.weight,
    }


def _from(now: datetime, at: datetime | None) -> float | None:
    return None if at is None else round(max(0.0, (at - now).total_seconds()), 1)


def _cells(row: "QueueRow", now: datetime) -> list[str]:
    from services.workflows.words import span

    eta_s = _from(now, row.expected_at)
    starts = "–" if eta_s is None else f"in {span(eta_s)}"
    position = "" if row.position is None else str(row.position)
    why = f"{row.said} {row.unblock}".strip()
    return [position, row.id, row.what, row.state, starts, str(row.priority), why]
