"""What if: the last week's queue replayed under other weights, priorities or slots. Simulated."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.numbers import counted
from dashboard.queue import history, what_if_result
from dashboard.queue.access import Queue
from services.errors import MlopsError
from services.mirror.workflow_models import Decided
from services.workflows import recorded
from services.workflows.models import Share
from services.workflows.replay import MOST, Replay, changed, replay

BACK = timedelta(days=7)
_KNOWN_BEFORE = timedelta(days=7)
"""So much older tasks tell how long a job was expected to take then."""
_FOUND = "queue:what-if"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings that are asked about."""

    shares: tuple[Share, ...]
    slots: tuple[tuple[str, int], ...]


def draw(queue: Queue) -> None:
    """Draw the form and what was found last."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("simulated", icon=":material/science:", color="violet")
        st.caption(
            "The jobs of the last 7 days go through the same policy again, under the settings "
            "below. Nothing here changes a setting, a job or a machine.",
            width="stretch",
        )
    if not queue.decided.shares or not queue.decided.hosts:
        notices.empty(
            "There is nothing to replay yet",
            "It takes a machine that is known and a project that is connected.",
            icon="science",
        )
        return
    wanted = _form(queue)
    if wanted is not None:
        with st.spinner("Replaying the last 7 days"):
            st.session_state[_FOUND] = (_asked(queue, wanted),)
    found = st.session_state.get(_FOUND)
    if found is not None:
        _draw(found[0], queue)


def _draw(found: "Replay | None", queue: Queue) -> None:
    if found is None:
        st.info(
            "No heavy job became ready in the last 7 days: there is nothing to replay.",
            icon=":material/inbox:",
        )
        return
    what_if_result.draw(found, queue, colours())


def _form(queue: Queue) -> Wanted | None:
    number = st.column_config.NumberColumn
    with st.form("queue-what-if", border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.markdown("**Projects**")
            projects = st.data_editor(
                _projects(queue),
                hide_index=True,
                key="queue-what-if-projects",
                column_order=("title", "weight", "priority"),
                column_config={
                    "title": st.column_config.TextColumn("Project", disabled=True),
                    "weight": number("Weight", min_value=0.05, max_value=100.0, step=0.05),
                    "priority": number("Priority", min_value=1, max_value=10, step=1),
                },
            )
        with right:
            st.markdown("**Machines**")
            hosts = st.data_editor(
                pd.DataFrame(
                    [(str(h["host"]), int(h.get("gpu_slots") or 0)) for h in queue.decided.hosts],
                    columns=["host", "slots"],
                ),
                hide_index=True,
                key="queue-what-if-hosts",
                column_config={
                    "host": st.column_config.TextColumn("Machine", disabled=True),
                    "slots": number("Heavy slots", min_value=0, max_value=64, step=1),
                },
            )
            st.caption("A machine with 0 slots takes no heavy job.")
        asked = st.form_submit_button(
            "Replay the last 7 days", icon=":material/science:", type="primary"
        )
    if not asked:
        return None
    try:
        return wanted_of(projects.to_dict("records"), hosts.to_dict("records"))
    except MlopsError as error:
        notices.problem(error)
        return None


def _projects(queue: Queue) -> pd.DataFrame:
    """Return the settings of the projects that the person sees; others keep theirs."""
    rows = [
        (
            str(one["project"]),
            queue.title(str(one["project"])),
            float(one["weight"]),
            int(one["priority"]),
        )
        for one in queue.decided.shares
        if queue.veil.sees(str(one["project"]))
    ]
    return pd.DataFrame(rows, columns=["project", "title", "weight", "priority"])


def wanted_of(
    projects: Sequence[Mapping[str, object]], hosts: Sequence[Mapping[str, object]]
) -> Wanted:
    """Return the settings of the form; a cell that was emptied asks for what is ordinary.

    Raises:
        InputError: A figure that no order can follow from.
    """
    shares = tuple(
        Share(str(one["project"]), _number(one["weight"], 1.0), int(_number(one["priority"], 5)))
        for one in projects
    )
    slots = tuple((str(one["host"]), int(_number(one["slots"], 0))) for one in hosts)
    return Wanted(shares, slots)


def _number(value: object, ordinary: float) -> float:
    known = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if known else ordinary  # type: ignore[arg-type]  # of the line above


def _asked(queue: Queue, wanted: Wanted) -> "Replay | None":
    start = history.minute(BACK)
    found = history.since(start - _KNOWN_BEFORE, queue.decided)
    return ask(queue.decided, found, wanted, start, datetime.now(UTC))


def ask(
    decided: Decided, found: history.History, wanted: Wanted, start: datetime, now: datetime
) -> "Replay | None":
    """Return the replay of what was recorded since ``start``; None when nothing was."""
    begin, end = start.timestamp(), now.timestamp()
    jobs = recorded.recorded(found.tasks, found.waits, found.declared, found.hosts, begin)
    if not jobs:
        return None
    decisions = [one for one in found.decisions if one.at >= start]
    then = recorded.setup(decided, decisions, found.hosts)
    quotas = {name: one.quota_hours for name, one in then.shares.items()}
    shares = {
        one.project: Share(one.project, one.weight, one.priority, quotas.get(one.project))
        for one in wanted.shares
    }
    return replay(jobs, then, changed(then, shares, dict(wanted.slots)), begin, end)


def left_out(found: "Replay") -> str:
    """Return what was not replayed and why, as sentences; empty when all was."""
    parts = []
    if found.found.left_out:
        noun = counted(found.found.left_out, "job")
        parts.append(
            f"{noun} left out: never began or not ended, so nobody knows how long they take."
        )
    if found.too_many:
        parts.append(
            f"{counted(found.too_many, 'older job')} left out: the newest {MOST} are replayed."
        )
    if found.found.unplaced:
        parts.append(
            f"{counted(found.found.unplaced, 'job')} would never start under these settings."
        )
    return " ".join(parts)
