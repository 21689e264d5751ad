"""One run: how it goes, what set it off, its tasks over time, what they made, and their logs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import flows, marked, navigation
from dashboard.charts.theme import colours
from dashboard.components import ages, dialogs, notices, status, tables, tiles
from dashboard.numbers import age, counted, duration, size
from dashboard.text import plain
from dashboard.workflows import (
    access,
    acting,
    address,
    chain,
    failed,
    figures,
    flow,
    following,
    gantt,
    grid,
    logs,
    made,
    states,
)
from dashboard.workflows.access import Named
from dashboard.workflows.address import RUN, TASK
from services.errors import MlopsError, NotFoundError
from services.mirror.workflow_models import ENDED_TASKS, TaskRun, WorkflowRun

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

LIVE_S = 2.0
_EXPLAINED = 3
TASK_WORDS = (
    "succeeded", "failed", "running", "queued", "scheduled", "waits for its retry", "not reached",
    "skipped", "deferred", "restarting", "not begun", "removed", "wants an answer",
)  # fmt: skip


def draw(of: Named, run: WorkflowRun, off: str | None) -> None:
    """Draw all of it."""
    tasks = _tasks_of(of, run)
    _head(of, run)
    with st.container(horizontal=True, vertical_alignment="center"):
        acting.run_buttons(of, run, tasks, off)
        st.link_button(
            "In Airflow",
            address.in_airflow(run.dag_id, run.run_id),
            icon=":material/open_in_new:",
            type="tertiary",
            help="Airflow's own page of this run; user and password are Airflow's.",
        )
    _failures(run, tasks)
    following.drawn(_shape(run, tasks))
    st.fragment(_live, run_every=LIVE_S)(of, run)
    made.draw(tasks)
    logs.draw(run, tasks)
    _tasks(tasks)
    _parameters(run)


def _tasks_of(of: Named, run: WorkflowRun) -> tuple[TaskRun, ...]:
    """Return the tasks as they follow each other in the workflow."""
    order = list(grid.in_order(of.workflow)) if of.workflow else []
    found = flows.tasks(run.dag_id, run.run_id)

    def place(one: TaskRun) -> tuple[int, int]:
        return order.index(one.task_id) if one.task_id in order else len(order), one.map_index

    return tuple(sorted(found, key=place))


def _head(of: Named, run: WorkflowRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(f"Run of {of.title}", 100), anchor=False, width="content")
        status.badge(states.word(run.state))
        marked.lineage(f"workflow:{run.dag_id}/{run.run_id}")
    at = run.started_at or run.queued_at
    note = f" · {plain(run.note, 300)}" if run.note and not _is_launcher(run.note) else ""
    st.caption(
        f"{plain(run.run_id, 200)} · {plain(figures.who(run), 120)} · began {age(at)}{note}",
        help=ages.exact(at),
    )


def _is_launcher(note: str) -> bool:
    """Return whether a note tells no more than who launched it, which is said beside it."""
    return note.startswith("Launched by ") and ". " not in note


def awaited(of: Named) -> None:
    """Draw that the run the address names is not known; when it is, it is drawn by itself."""
    st.title(plain(f"Run of {of.title}", 100), anchor=False)
    st.fragment(_await, run_every=LIVE_S)(of)


def _await(of: Named) -> None:
    if access.named_run(of) is not None:
        dialogs.redraw()
    run_id = st.query_params.get(RUN, "")
    st.info(
        f"There is no run “{plain(run_id, 120)}” of this workflow. One that was launched just now "
        "is here within seconds; this page looks for it.",
        icon=":material/hourglass:",
    )


def _shape(run: WorkflowRun, tasks: Sequence[TaskRun]) -> object:
    """Return what of a run is drawn but once: how it and its tasks are, not for how long."""
    return run.state, tuple((one.label, one.state, one.tries, one.run_ids) for one in tasks)


def _live(of: Named, run: WorkflowRun) -> None:
    try:
        _draw(of, run)
    except NotFoundError:  # deleted in Airflow while the page was open
        st.info("This run is no longer there: it was deleted in Airflow.")
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _draw(of: Named, run: WorkflowRun) -> None:
    run = flows.run(run.dag_id, run.run_id)
    tasks = _tasks_of(of, run)
    following.check(_shape(run, tasks))
    hues, now = colours(), datetime.now(UTC)
    _tiles(run, tasks, now)
    st.subheader("Tasks over time", anchor=False)
    shown = gantt.gantt(run, tasks, now)
    if shown is None:
        st.caption("No task of it is queued yet.")
        _chain(run)
        return
    st.html(gantt.html(shown, hues, now, st.query_params.get(TASK, "")))
    more = (
        f" The first {gantt.MOST} of {len(tasks):,} are drawn." if len(tasks) > gantt.MOST else ""
    )
    st.caption(
        f"Striped: waited in the queue. Full: ran, the newest try.{more} A row leads to its log."
    )
    _chain(run)


def _tiles(run: WorkflowRun, tasks: Sequence[TaskRun], now: datetime) -> None:
    took = figures.run_s(run, now)
    ended = [one for one in tasks if one.state in ENDED_TASKS]
    waited = [w for one in tasks if (w := figures.waited_s(one, now)) is not None]
    again = sum(max(0, one.tries - 1) for one in tasks)
    with st.grid(4, min_column_width=200):
        word = "Runs for" if run.ended_at is None else "Took"
        tiles.tile(word, "waits" if took is None else duration(took), why=_why_took(run))
        tiles.tile("Tasks ended", f"{len(ended):,} of {len(tasks):,}", why=_counted(tasks))
        longest = duration(max(waited)) if waited else "none"
        tiles.tile("Longest wait", longest, why="Of one task, from the queue to its start.")
        tiles.tile("Tried again", f"{again:,}", why="Tries beyond the first, of all its tasks.")


def _why_took(run: WorkflowRun) -> str:
    if run.started_at is None:
        return "It has not begun."
    return f"Since {ages.exact(run.started_at)}."


def _counted(tasks: Sequence[TaskRun]) -> str:
    words: dict[str, int] = {}
    for one in tasks:
        words[states.word(one.state)] = words.get(states.word(one.state), 0) + 1
    return ", ".join(f"{number:,} {word}" for word, number in words.items()) or "It has none yet."


def _failures(run: WorkflowRun, tasks: Sequence[TaskRun]) -> None:
    found = [one for one in tasks if one.state in {"failed", "up_for_retry"}]
    for task in found[:_EXPLAINED]:
        failed.draw_failure(task, run)
    if len(found) > _EXPLAINED:
        st.caption(f"{counted(len(found) - _EXPLAINED, 'other task')} failed as well: see below.")


def _chain(run: WorkflowRun) -> None:
    found, edges = chain.of_runs(run, access.relatives(run))
    if len(found) < 2 and run.caused_by is None:
        return
    st.subheader("What set off what", anchor=False)
    if len(found) > 1:
        st.html(flow.html(chain.run_nodes(found, run), edges, colours()))
    else:
        st.caption("The run that set it off is not in the projects you see, or is gone.")


def _tasks(tasks: Sequence[TaskRun]) -> None:
    if not tasks:
        return
    st.subheader("Tasks", anchor=False)
    text = st.column_config.TextColumn
    columns = {
        "task": text("Task", width=170),
        "state": _wide(status.column("State", TASK_WORDS)),
        "tries": text("Try", width=60, alignment="right"),
        "waited": text("Waited", width=90, alignment="right"),
        "ran": text("Ran", width=90, alignment="right"),
        "how": text("How it ended", width=260),
        "memory": text("Most memory", width=110, alignment="right"),
        "host": text("Machine", width=140),
        "pool": text("Pool", width=150),
    }
    tables.table([cells(one) for one in tasks], columns, key="run-tasks", max_rows_shown=14)


def _wide(column: "ColumnConfig") -> "ColumnConfig":
    column["width"] = 150
    return column


def cells(one: TaskRun) -> dict[str, object]:
    """Return a task's cells."""
    # Of what goes on the drawing above tells; this is drawn once.
    waited = figures.waited_s(one) if one.started_at else None
    ran = figures.ran_s(one) if one.ended_at else None
    memory = one.evidence.get("memory")
    peak = memory.get("peak_bytes") if isinstance(memory, dict) else None
    return {
        "task": one.label,
        "state": status.cell(states.word(one.state)),
        "tries": f"{one.tries} of {max(one.tries, one.max_tries + 1)}",
        "waited": "" if waited is None else duration(waited),
        "ran": "" if ran is None else duration(ran),
        "memory": size(peak) if isinstance(peak, int | float) else "",
        "host": one.host or "",
        "pool": one.pool,
        "how": str(one.evidence.get("sentence") or one.note or ""),
    }


def _parameters(run: WorkflowRun) -> None:
    if not run.conf:
        st.caption("It was launched with the defaults of its parameters.")
        return
    st.subheader("Parameters", anchor=False)
    columns = {
        "name": st.column_config.TextColumn("Parameter", width=220),
        "value": st.column_config.TextColumn("Value", width=420),
    }
    rows = [
        {"name": name, "value": "not given" if value is None else str(value)}
        for name, value in run.conf.items()
    ]
    tables.table(rows, columns, key="run-conf")


def back(of: Named) -> None:
    """Draw the way to its workflow."""
    navigation.link(
        "workflows", f"All runs of {plain(of.title, 60)}", icon="arrow_back", dag=of.dag_id
    )
