"""One workflow: how it does, its tasks, its runs, and what it is made from."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import flows, navigation, state
from dashboard.charts.theme import Colours, colours
from dashboard.components import located, notices, status, tiles
from dashboard.numbers import age, duration, percent
from dashboard.scope import Scope
from dashboard.text import plain
from dashboard.workflows import (
    access,
    acting,
    address,
    chain,
    definition,
    figures,
    flow,
    following,
    grid,
    listing,
    runs,
    states,
    trend,
)  # fmt: skip
from dashboard.workflows.access import Named
from dashboard.workflows.address import PART
from services.errors import MlopsError
from services.mirror.workflow_figures import Record
from services.mirror.workflow_models import TaskRun, Workflow, WorkflowRun

PARTS = ["Runs", "All runs", "Definition"]


def draw(of: Named, where: Scope, off: str | None) -> None:
    """Draw all of it."""
    _head(of)
    with st.container(horizontal=True, vertical_alignment="center"):
        acting.workflow_buttons(of, off)
        st.link_button(
            "In Airflow",
            address.in_airflow(of.dag_id),
            icon=":material/open_in_new:",
            type="tertiary",
            help="Airflow's own page of this workflow; user and password are Airflow's.",
        )
    if of.workflow is None:
        st.info(
            "Airflow has this workflow no more: its project was removed or renamed. Its runs "
            "happened all the same.",
            icon=":material/history:",
        )
    elif of.workflow.broken:
        fault = access.fault_of(of.workflow)
        if fault is not None:
            listing.faults([fault])
    part = located.choice("Part", PARTS, name=PART, default=PARTS[0], collapsed=True)
    if part == PARTS[0]:
        following.drawn(_shape(of.workflow))
        st.fragment(_live, run_every=listing.LIVE_S)(of, where)
        _trend(of)
    elif part == PARTS[1]:
        runs.table(of)
    else:
        definition.draw(of)


def _head(of: Named) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(of.title, 80), anchor=False, width="content")
        if of.workflow is not None and of.workflow.broken:
            status.badge(
                "broken", why="Its file makes no workflow now; the last good one is shown."
            )
        if of.workflow is not None and of.workflow.paused:
            status.badge("paused", why="None of its tasks begins until it is resumed.")
    whose = access.titles().get(of.project, of.project)
    st.caption(f"{plain(of.dag_id, 120)} · {plain(whose, 80)}")


def _shape(workflow: Workflow | None) -> object:
    """Return what of a workflow is drawn but once: its head and its buttons."""
    return None if workflow is None else (workflow.title, workflow.paused, workflow.broken)


def _live(of: Named, where: Scope) -> None:
    try:
        _draw(of, where)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _draw(of: Named, where: Scope) -> None:
    hues, now = colours(), datetime.now(UTC)
    found = flows.runs(of.dag_id, grid.RUNS)
    tasks = flows.tasks_of(of.dag_id, grid.RUNS)
    # As it is now: who paused it may be somebody else.
    workflow = next((one for one in flows.workflows() if one.dag_id == of.dag_id), None)
    following.check(_shape(workflow))
    _tiles(workflow, found, flows.records((of.dag_id,), where.since)[of.dag_id], where)
    if workflow is not None:
        _graph(workflow, found, tasks, hues)
    st.subheader("Runs", anchor=False)
    if not found:
        notices.empty(
            "It has never run",
            "Launch it, or let its schedule do it.",
            icon="play_circle",
            command=f"mlops workflows trigger {of.dag_id}",
        )
        return
    shown = grid.grid(workflow, found, tasks)
    st.html(grid.html(shown, hues, now, state.zone()))
    st.caption(
        "A column is a run, the newest at the right: its bar is as high as it was long. "
        "✓ succeeded, ✕ failed, ▲ not reached or tried again, ◔ running, ◷ waits, ○ skipped or "
        "not begun. A cell leads to the log of its task."
    )


def _tiles(
    workflow: Workflow | None, found: tuple[WorkflowRun, ...], record: Record, where: Scope
) -> None:
    last = found[0] if found else None
    with st.grid(4, min_column_width=200):
        told = states.word(last.state) if last else figures.NEVER
        why = (
            f"{figures.said_of(last)}, {figures.who(last)}." if last else "Nobody launched it yet."
        )
        tiles.tile("Last run", told, why=why)
        median = duration(record.median_s) if record.median_s is not None else "no success"
        tiles.tile("Median", median, why=f"Of runs that succeeded {where.sentence}.")
        share = percent(record.share) if record.share is not None else "none ended"
        tiles.tile("Succeeded", share, why=figures.record_said(record))
        tiles.tile("Next run", _next(workflow), why=_why_next(workflow))


def _next(workflow: Workflow | None) -> str:
    if workflow is None:
        return "none"
    if workflow.paused:
        return "paused"
    return age(workflow.next_run_at) if workflow.next_run_at else "by hand"


def _why_next(workflow: Workflow | None) -> str:
    if workflow is None:
        return "Airflow has it no more."
    by = figures.schedule(workflow)
    return f"It begins {by}." if not workflow.schedule else f"By its schedule {by}, in UTC."


def _graph(
    workflow: Workflow,
    found: tuple[WorkflowRun, ...],
    tasks: tuple[TaskRun, ...],
    hues: Colours,
) -> None:
    st.subheader("Tasks", anchor=False)
    last = found[0] if found else None
    newest = [one for one in tasks if last is not None and one.run_id == last.run_id]
    edges = [(one.task_id, other) for one in workflow.tasks for other in one.downstream]
    st.html(flow.html(_boxes(workflow, last, newest), edges, hues))
    linked = chain.of(workflow.dag_id, chain.chains(flows.workflows()))
    if linked is not None:
        st.subheader("What sets off what", anchor=False)
        latest = {
            one.dag_id: next(iter(flows.runs(one.dag_id, 1)), None) for one in linked.workflows
        }
        st.html(flow.html(chain.nodes(linked, latest, workflow.dag_id), linked.edges, hues))


def _boxes(
    workflow: Workflow, last: WorkflowRun | None, newest: list[TaskRun]
) -> tuple[flow.Node, ...]:
    by_task: dict[str, list[TaskRun]] = {}
    for task in newest:
        by_task.setdefault(task.task_id, []).append(task)
    return tuple(
        task_box(one.task_id, one.title, by_task.get(one.task_id, []), last)
        for one in workflow.tasks
    )


def task_box(task_id: str, title: str, found: list[TaskRun], run: WorkflowRun | None) -> flow.Node:
    """Return a task of a run as a box; several of a mapped one together."""
    if run is None or not found:
        return flow.Node(task_id, title, "not begun" if run else "never ran", "none")
    state_ = states.worst(one.state for one in found)
    one = next(task for task in found if task.state == state_)
    took = figures.ran_s(one)
    below = states.word(state_) if took is None else f"{states.word(state_)} {duration(took)}"
    if len(found) > 1:
        done = sum(task.state == "success" for task in found)
        below = f"{done} of {len(found)} succeeded"
    href = address.to_run(run.dag_id, run.run_id, one.label)
    return flow.Node(task_id, title, below, state_, href, grid.cell_said(task_id, found, state_))


def _trend(of: Named) -> None:
    found = flows.runs(of.dag_id, grid.RUNS)
    if not found:
        return
    st.subheader("How long they took", anchor=False)
    shown = grid.grid(of.workflow, found, flows.tasks_of(of.dag_id, grid.RUNS))
    trend.draw(shown, key=f"workflow-trend:{of.dag_id}")


def back() -> None:
    """Draw the way to all workflows."""
    navigation.link("workflows", "All workflows", icon="arrow_back")
