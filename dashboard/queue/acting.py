"""What is done with a waiting job: to the front, to the back, another priority.

The only module of the page that knows the action.
"""

import shlex

import streamlit as st

from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.queue.access import Queue
from services.actions.queue_move import MoveJob
from services.mirror.workflow_models import QueueRow
from services.mirror.workflow_queries import PLATFORM


def buttons(row: QueueRow, queue: Queue, off: str | None) -> None:
    """Draw what is done with a job; off, with the reason, for who may not, or when it cannot be."""
    project = None if row.project == PLATFORM else row.project
    why = actions.why_not(MoveJob, project=project, off=off) or _cannot(row, queue)
    name = shlex.quote(row.id)
    for move, label, icon in (
        ("front", "To the front", "vertical_align_top"),
        ("back", "To the back", "vertical_align_bottom"),
    ):
        action = MoveJob(row.id, move)
        actions.button(
            label,
            Proposal(
                f"Move {row.what} to the {move}",
                lambda action=action: action,  # type: ignore[misc]  # bound now, not when it is called
                f"Move to the {move}",
                f"mlops queue --move {name} {move}",
            ),
            key=f"queue-{move}",
            icon=icon,
            off=why,
        )
    actions.button(
        "Priority",
        Proposal(
            f"Priority of {row.what}",
            lambda: _priority(row),
            "Set it",
            f"mlops queue --priority {name} N",
        ),
        key="queue-priority",
        icon="low_priority",
        off=why,
    )


def _priority(row: QueueRow) -> MoveJob | None:
    wanted = st.slider(
        "Priority, 10 goes first",
        min_value=1,
        max_value=10,
        value=min(10, max(1, row.priority)),
        key="queue-priority-wanted",
        help="Among the jobs of its project a level is worth an hour of waiting.",
    )
    if wanted == row.priority:
        st.caption("That is the priority it has.")
        return None
    return MoveJob(row.id, priority=int(wanted))


def _cannot(row: QueueRow, queue: Queue) -> str | None:
    if row.state == "running":
        return "It runs already: only what waits can be moved."
    if row.state == "starting":
        return "It starts within seconds: only what waits can be moved."
    if queue.old:
        return "The queue is old: nobody knows whether it waits still."
    return None
