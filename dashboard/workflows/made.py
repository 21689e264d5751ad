"""What a run's tasks made: runs in MLflow, and the model versions registered from them."""

from collections.abc import Sequence

import streamlit as st

from dashboard import navigation
from dashboard.components import status
from dashboard.experiments.access import detail_of
from dashboard.text import plain
from services.errors import MlopsError
from services.mirror.models import RunDetail
from services.mirror.workflow_models import TaskRun

_MOST = 12


def draw(tasks: Sequence[TaskRun]) -> None:
    """Draw a line a run, with the task that made it."""
    found = [(task, run_id) for task in tasks for run_id in task.run_ids]
    if not found:
        return
    st.subheader("What it made", anchor=False)
    for task, run_id in found[:_MOST]:
        detail = _detail(run_id)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if detail is None:
                st.caption(
                    f"{plain(task.label, 60)} made the run {plain(run_id[:12], 20)}, which MLflow "
                    "has not told of yet."
                )
                continue
            _run(task, detail)
    if len(found) > _MOST:
        st.caption(f"and {len(found) - _MOST:,} more runs.")


def _run(task: TaskRun, detail: RunDetail) -> None:
    run = detail.run
    navigation.link(
        "run", plain(run.name or run.run_id[:8], 60), icon="play_circle", run=run.run_id
    )
    st.markdown(f"{status.inline(run.status)} :gray[by {plain(task.label, 60)}]", width="content")
    for version in detail.versions:
        model, _, number = version.rpartition(":")
        navigation.link(
            "model",
            f"{plain(model, 60)} version {number}",
            icon="deployed_code",
            of=run.project,
            model=model,
            version=number,
        )


def _detail(run_id: str) -> RunDetail | None:
    try:
        return detail_of(run_id)
    except MlopsError:  # not mirrored yet, or of a project the person does not see
        return None
