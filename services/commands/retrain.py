"""``mlops retrain``: what was proposed, why, for how much; deciding about it; what came of it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from services.commands.endpoint_names import parse
from services.commands.output import (
    json_option,
    moment,
    number,
    print_json,
    print_table,
    say,
    sentences,
)

if TYPE_CHECKING:
    from services.retraining.models import Collect, Happened, Policy, Proposal, State

_STATES = ("open", "accepted", "running", "judging", "dismissed", "promoted", "dropped", "failed")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def retrain() -> None:
    """Retraining: list, show, propose, accept, dismiss, policy."""


@retrain.command("list")
@click.option("--project", help="One project's.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--all", "ended", is_flag=True, help="Those that ended, too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@sentences
def list_proposals(
    *, project: str | None, states: tuple["State", ...], ended: bool, limit: int, as_json: bool
) -> None:
    """List the retrainings that have not ended, newest first."""
    from services.commands.acting import context
    from services.retraining import store
    from services.retraining.models import UNDER_WAY

    here = context()
    if project is not None:
        here.mirror.project(project)
    wanted = states or (() if ended else ("open", *UNDER_WAY))
    found = store.proposals(
        here.journal, wanted, projects=None if project is None else [project], limit=limit
    )
    if as_json:
        print_json([shape(one) for one in found])
        return
    rows = [
        [
            str(one.id),
            one.state,
            f"{one.project}/{one.model}",
            "–" if one.version is None else str(one.version),
            one.requested_by,
            moment(_at(one.created_at)),
            number(one.minutes.median if one.minutes else None),
            number(one.joules.median if one.joules else None),
            one.why,
        ]
        for one in found
    ]
    columns = ["id", "state", "model", "version", "by", "since", "min", "J", "why"]
    print_table(columns, rows, "No retraining waits or is under way.")


@retrain.command()
@click.argument("proposal_id", metavar="ID", type=int)
@json_option
@sentences
def show(*, proposal_id: int, as_json: bool) -> None:
    """Show one: why, with which data, for how much, and its thread from the first alert on."""
    from services.commands.acting import context
    from services.retraining import store, wording
    from services.retraining.threads import thread

    journal = context().journal
    found = store.proposal(journal, proposal_id)
    lines = thread(journal, proposal_id)
    if as_json:
        print_json({**shape(found), "thread_events": [_line_shape(one) for one in lines]})
        return
    say(f"Retraining {found.id} of {found.project}/{found.model}: {found.state}")
    for line in (
        *(f"· {one.said}" + (f" ({one.by})" if one.by else "") for one in found.evidence),
        *wording.costs(found),
        f"Not by itself: {found.refused}" if found.refused and found.state == "open" else "",
        f"Now: {found.said}" if found.said and not found.ended else "",
    ):
        if line:
            say(line)
    rows = [[moment(_at(one.at)), one.what, one.actor, one.said] for one in lines]
    print_table(["when", "what", "who", "said"], rows, "Nothing happened yet.")


@retrain.command()
@click.argument("name", metavar="PROJECT/MODEL[:VERSION]")
@click.option("--why", required=True, help="What is wrong with the model; others decide by it.")
@_yes
@sentences
def propose(*, name: str, why: str, yes: bool) -> None:
    """Propose to retrain a model; somebody else accepts it."""
    from services.actions.retraining import ProposeRetraining
    from services.commands.acting import act

    found = parse(name)
    act(ProposeRetraining(found.project, found.model, why, found.version), yes=yes)


@retrain.command()
@click.argument("proposal_id", metavar="ID", type=int)
@click.option("--note", default="", help="For those who look later.")
@click.option("--data", default="", metavar="REVISION", help="Train with this version of the data.")
@click.option(
    "--collect", type=click.Choice(["no", "labelled"]),
    help="Collect rows that the model was asked first; else as the policy says.",
)  # fmt: skip
@click.option("--collect-rows", type=int, help="With fewer new ones nothing is trained.")
@_yes
@sentences
def accept(
    *,
    proposal_id: int,
    note: str,
    data: str,
    collect: "Collect | None",
    collect_rows: int | None,
    yes: bool,
) -> None:
    """Have a proposed retraining begin; what follows is told first."""
    from services.actions.retraining import AcceptRetraining
    from services.commands.acting import act, context, controller_lives
    from services.retraining import store

    found = store.proposal(context().journal, proposal_id)
    wanted = AcceptRetraining(proposal_id, found.project, note, data, collect, collect_rows)
    act(wanted, yes=yes)
    if not controller_lives():
        say("It is launched when the platform runs (`mlops up`).", err=True)


@retrain.command()
@click.argument("proposal_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why not; it is remembered.")
@sentences
def dismiss(*, proposal_id: int, reason: str) -> None:
    """Say that a proposed retraining is not wanted."""
    from services.actions.retraining import DismissRetraining
    from services.commands.acting import act, context
    from services.retraining import store

    found = store.proposal(context().journal, proposal_id)
    act(DismissRetraining(proposal_id, found.project, reason))


@retrain.command()
@click.argument("proposal_id", metavar="ID", type=int)
@click.option("--reason", required=True, help="Why; it is remembered.")
@_yes
@sentences
def stop(*, proposal_id: int, reason: str, yes: bool) -> None:
    """Have a retraining that is under way end; what follows is told first."""
    from services.actions.retraining_stop import StopRetraining
    from services.commands.acting import act, context
    from services.retraining import store

    found = store.proposal(context().journal, proposal_id)
    act(StopRetraining(proposal_id, found.project, reason), yes=yes)


@retrain.command()
@click.argument("project")
@click.option("--mode", type=click.Choice(["off", "propose", "automatic"]))
@click.option("--min-severity", type=click.Choice(["info", "warning", "critical"]))
@click.option("--cooldown-h", type=float, help="Between two of one model that nobody asked for.")
@click.option("--most-per-week", type=int, help="Of the project, in seven days.")
@click.option("--budget-minutes", type=float, help="Of training, in seven days; -1: no budget.")
@click.option("--budget-joules", type=float, help="The same of energy; -1: no budget.")
@click.option("--strategy", type=click.Choice(["canary", "shadow"]))
@click.option("--percent", type=float, help="Of the requests that a canary answers.")
@click.option("--judge-minutes", type=float, help="So long beside the live version at least,")
@click.option("--judge-requests", type=int, help="and so many requests.")
@click.option("--patience-h", type=float, help="Dropped when they have not come by then.")
@click.option(
    "--proof", type=click.Choice(["mode", "told", "needed"]),
    help="Whether it must be seen that it is good and cures; mode: where nobody is asked.",
)  # fmt: skip
@click.option(
    "--collect", type=click.Choice(["no", "labelled"]),
    help="Collect labelled rows that the model was asked before it trains.",
)  # fmt: skip
@click.option("--collect-rows", type=int, help="With fewer new ones nothing is trained.")
@json_option
@sentences
def policy(*, project: str, as_json: bool, **given: float | str | None) -> None:
    """Show what alerts lead to in a project; with options, change it."""
    from services.actions.retraining_policy import SetRetrainingPolicy
    from services.commands.acting import act, context
    from services.retraining import store, wording

    here = context()
    here.mirror.project(project)
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if changed:
        for name in ("budget_minutes", "budget_joules"):
            if changed.get(name) == -1:
                changed[name] = None
        now = _fields(store.policy(here.journal, project))
        act(SetRetrainingPolicy(project, **(now | changed)))
    found = store.policy(here.journal, project)
    if as_json:
        print_json({"project": project, **_fields(found)})
        return
    for line in wording.said_of(found):
        say(line)


def _fields(found: "Policy") -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def shape(one: "Proposal") -> dict[str, object]:
    """Return a retraining in the documented JSON shape."""
    return {
        "id": one.id,
        "project": one.project,
        "model": one.model,
        "version": one.version,
        "state": one.state,
        "said": one.said,
        "why": one.why,
        "severity": one.severity,
        "alerts": one.alerts,
        "thread": one.thread,
        "evidence": [
            {"at": _at(e.at), "said": e.said, "alert": e.alert, "severity": e.severity,
             "columns": e.columns, "by": e.by or None}
            for e in one.evidence
        ],
        "data": {"revision": one.data.revision, "before": one.data.before,
                 "newer": one.data.newer, "said": one.data.said, "declared": one.data.declared,
                 "bad": one.data.bad, "rows": one.data.rows, "lacks": one.data.lacks},
        "collected": one.collected or None,
        "minutes": one.minutes,
        "joules": one.joules,
        "gain": one.gain,
        "again": one.again,
        "requested_by": one.requested_by,
        "created_at": _at(one.created_at),
        "approved_by": one.approved_by,
        "decided_at": _at(one.decided_at),
        "reason": one.reason,
        "refused": one.refused,
        "workflow": None if one.workflow is None else "/".join(one.workflow),
        "run_id": one.run_id,
        "candidate": one.candidate,
        "verdict": one.verdict,
        "ended_at": _at(one.ended_at),
        "took_minutes": one.took_minutes,
        "took_joules": one.took_joules,
        "stopped": one.stopped,
        "change": one.change,
    }  # fmt: skip


def _line_shape(one: "Happened") -> dict[str, object]:
    return {
        "at": _at(one.at), "what": one.what, "said": one.said, "actor": one.actor,
        "numbers": dict(one.numbers), "link": one.link,
    }  # fmt: skip


def _at(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)
