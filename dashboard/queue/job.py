"""One job of the queue in full: why it waits, until when, what it waited for before, what to do."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import navigation, state
from dashboard.charts.theme import Colours, colours
from dashboard.components import notices, status
from dashboard.numbers import age, counted, duration
from dashboard.queue import access, acting, looks
from dashboard.queue.access import Queue
from dashboard.queue.address import JOB
from dashboard.text import markup, plain
from services.errors import MlopsError
from services.mirror.workflow_models import QueueRow, TaskRun, Wait

_LIVE_S = 2.0
_RUNS = 3


def draw(queue: Queue, off: str | None) -> None:
    """Draw the job that the address names."""
    name = access.named()
    row = next((one for one in queue.decided.rows if one.id == name), None)
    task = access.task(name)
    with st.container(border=True, key="queue-job"):
        if row is None and task is None:
            _unknown(name)
            return
        title = row.what if row else f"{task.dag_id}: {task.title}" if task else name
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"#### {plain(title, 120)}", width="content")
            st.space("stretch")
            _close()
        st.fragment(_follow, run_every=_LIVE_S)(name)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if row is not None:
                acting.buttons(row, queue, off)
            st.space("stretch")
            _links(name, task)


def _unknown(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/link_off: There is no job “{plain(name, 160)}” in the queue, and none of "
            "that name ran in the projects you see.",
            width="stretch",
        )
        _close()


def _close() -> None:
    if st.button("Close", key="queue-close", icon=":material/close:", type="tertiary"):
        st.query_params.pop(JOB, None)
        st.rerun(scope="app")


def _follow(name: str) -> None:
    try:
        queue = access.queue()
        row = next((one for one in queue.decided.rows if one.id == name), None) if queue else None
        if row is None:
            _left(access.task(name))
        else:
            _stands(row)
        _history(access.history(name))
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _stands(row: QueueRow) -> None:
    zone = state.zone()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        looks.badge(row.kind)
        st.caption(" · ".join(_facts(row)), width="stretch")
    st.markdown(plain(row.said, 900))
    if row.unblock:
        st.markdown(f"**What would unblock it**  \n{plain(row.unblock, 600)}")
    if row.state in {"waiting", "held"}:
        st.markdown(f"**Expected start**  \n{plain(expected(row), 600)}")
    elif row.ends_at is not None:
        st.markdown(f"**Expected end**  \n≈ {access.clock(row.ends_at, zone)}, by earlier ones")


def _facts(row: QueueRow) -> list[str]:
    found = [
        f"place {row.position} in the line" if row.position else "",
        f"since {access.clock(row.since, state.zone())}, {age(row.since)}",
        f"on {plain(row.host, 60)}" if row.host else "",
        f"priority {row.priority}",
        f"weight {row.weight} in Airflow" if row.weight is not None else "",
    ]
    return [one for one in found if one]


def expected(row: QueueRow) -> str:
    """Return when a job is expected to start, as a sentence, or why nobody knows."""
    if row.expected_at is None:
        return f"It is not known. {row.expected_said}".strip()
    zone, now = state.zone(), datetime.now(UTC)
    wait = max(0.0, (row.expected_at - now).total_seconds())
    said = f"≈ {access.clock(row.expected_at, zone, now)}, in {duration(wait)}"
    if row.expected_late_at is not None and row.expected_late_at > row.expected_at:
        said += f"; nine of ten times by {access.clock(row.expected_late_at, zone, now)}"
    return f"{said}. {row.expected_said}".strip()


def _left(task: TaskRun | None) -> None:
    if task is None:
        st.markdown("It is in the queue no more.")
        return
    ended = f" {age(task.ended_at)}" if task.ended_at else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status.badge(_TASKS.get(task.state, "unknown"), task.state)
        st.markdown(f"It is in the queue no more: its task is “{plain(task.state)}”{ended}.")


_TASKS = {"success": "finished", "failed": "failed", "running": "running"}


def _history(waits: Sequence[Wait]) -> None:
    if not waits:
        return
    now = datetime.now(UTC)
    st.html(strip(waits, colours(), now))
    told = ", ".join(f"{looks.word(kind)} {duration(s)}" for kind, s in spent(waits, now).items())
    st.caption(f"Until now: {plain(told, 400)}.")


def spent(waits: Sequence[Wait], now: datetime) -> dict[str, float]:
    """Return the seconds a job spent on each kind, in the order they came first."""
    found: dict[str, float] = {}
    for one in waits:
        lasted = max(0.0, ((one.end or now) - one.begin).total_seconds())
        found[one.kind] = found.get(one.kind, 0.0) + lasted
    return found


def strip(waits: Sequence[Wait], hues: Colours, now: datetime) -> str:
    """Return what a job waited for as one bar."""
    parts = []
    for one in waits:
        lasted = max(1.0, ((one.end or now) - one.begin).total_seconds())
        told = f"{looks.word(one.kind)}, {duration(lasted)}: {one.said}"
        parts.append(
            f'<div title="{markup(told)}" style="flex:{lasted:.0f} 1 0;min-width:4px;'
            f'background:{looks.hue(one.kind, hues)}"></div>'
        )
    said = f"What it waited for, in {counted(len(parts), 'stretch', 'stretches')}"
    return (
        f'<div role="img" aria-label="{said}" style="display:flex;gap:2px;height:10px;'
        f'border-radius:5px;overflow:hidden">{"".join(parts)}</div>'
    )


def _links(name: str, task: TaskRun | None) -> None:
    named = access.parts(name)
    if named is not None and navigation.has("workflows"):
        dag_id, run_id, _ = named
        navigation.link("workflows", "Workflow run", "account_tree", dag=dag_id, run=run_id)
    for run_id in task.run_ids[:_RUNS] if task else ():
        navigation.link("run", f"Run {run_id[:8]}", "play_circle", run=run_id)
