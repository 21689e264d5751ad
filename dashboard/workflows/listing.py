"""All workflows, a row each, drawn again every two seconds; broken files and chains round them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import flows, state
from dashboard.charts.theme import Colours, colours
from dashboard.components import located, notices
from dashboard.components.live import live
from dashboard.components.notices import advice
from dashboard.numbers import age, counted
from dashboard.scope import Scope
from dashboard.text import plain
from dashboard.workflows import access, chain, flow, table
from dashboard.workflows.address import FIND, KIND, STATE
from dashboard.workflows.figures import SHOWN_STATES, Line, lines, matching
from services.mirror.workflow_models import WorkflowFault
from services.workflows.faults import explain_fault

LIVE_S = 2.0
_MOST_KINDS = 8


def draw(where: Scope) -> None:
    """Draw all of it."""
    if not flows.workflows(where.project) and not flows.faults(where.project):
        _empty(where)
        return
    _filters(where)
    live(_draw, LIVE_S)(where)


def _filters(where: Scope) -> None:
    kinds = sorted({one.name for one in flows.workflows(where.project)})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        located.text("Find", name=FIND, placeholder="Workflow or project", width=220)
        located.many("State", SHOWN_STATES, name=STATE, default=(), most=len(SHOWN_STATES))
        located.many("Kind", kinds, name=KIND, default=(), most=_MOST_KINDS)


def _draw(where: Scope) -> None:
    faults(flows.faults(where.project))
    found = known(where)
    query = st.query_params
    kept = matching(found, query.get(FIND, ""), query.get_all(STATE), query.get_all(KIND))
    hues, now = colours(), datetime.now(UTC)
    if kept:
        st.html(table.html(kept, hues, now, state.zone()))
        st.caption(_legend(kept, found, where))
    elif found:
        st.caption("No workflow has what is looked for. Take a word or a filter away.")
    chains(found, kept, hues)


def known(where: Scope) -> tuple[Line, ...]:
    """Return all workflows in scope as lines."""
    workflows = flows.workflows(where.project)
    names = tuple(one.dag_id for one in workflows)
    return lines(
        workflows,
        flows.strips(names, table.LENGTH),
        flows.records(names, where.since),
        access.titles(),
    )


def _legend(kept: Sequence[Line], found: Sequence[Line], where: Scope) -> str:
    what = counted(len(kept), "workflow")
    shown = (
        what if len(kept) == len(found) else f"{len(kept):,} of {counted(len(found), 'workflow')}"
    )
    return (
        f"{shown}. Bars are the last runs, the newest at the right; a bar is as high as its run "
        "was long and leads to it. Usually: the median of successes, and their share, of the runs "
        f"that ended {where.sentence}."
    )


def faults(found: Sequence[WorkflowFault]) -> None:
    """Draw the files that make no workflow: the cause, and where it was raised."""
    for one in found:
        name, told = one.file.rpartition("/")[2], explain_fault(one)
        place = f" In {plain(told.place, 200)}." if told.place else ""
        st.error(
            f"**{plain(name, 80)} makes no workflow.** {plain(told.cause, 500)}{place} "
            f"{plain(told.next_step, 300)}",
            icon=":material/error:",
        )
        with st.expander(f"Where it was raised, {age(one.at)}", icon=":material/segment:"):
            st.code(one.stacktrace or "Airflow told no place.", language="python", wrap_lines=True)


def chains(found: Sequence[Line], kept: Sequence[Line], hues: Colours) -> None:
    """Draw what sets off what, a flow each, whole: those in which one is that is looked for."""
    wanted = {line.workflow.dag_id for line in kept}
    drawn = [
        one
        for one in chain.chains(line.workflow for line in found)
        if any(member.dag_id in wanted for member in one.workflows)
    ]
    if not drawn:
        return
    last = {line.workflow.dag_id: line.last for line in found}
    titles = {line.workflow.project: line.title for line in found}
    st.subheader("What sets off what", anchor=False)
    with st.grid(2, min_column_width=420):
        for one in drawn:
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"**{plain(_whose(one, titles), 120)}**")
                st.html(flow.html(chain.nodes(one, last), one.edges, hues))


def _whose(one: chain.Chain, titles: Mapping[str, str]) -> str:
    names = dict.fromkeys(titles.get(w.project, w.project) for w in one.workflows)
    return ", ".join(names)


def _empty(where: Scope) -> None:
    if not state.settings().airflow_enabled:
        return  # said above
    if where.project is not None:
        said = "Airflow makes them from its contract within half a minute; see its page for faults."
        notices.empty(
            f"No workflow of {where.project} yet",
            said,
            icon="account_tree",
            command=f"mlops projects check {where.project}",
        )
        return
    notices.empty(
        "No workflow yet",
        advice(
            "Each connected project has workflows by itself, made from `[tool.mlops]` in its "
            "`pyproject.toml`: training, evaluation, registration and gates."
        ),
        icon="account_tree",
        command="mlops projects add PATH",
    )
