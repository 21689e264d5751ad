"""Why a run was slow, on its page: the question, the answer, and the steps it is measured by."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import machines, navigation, state
from dashboard.experiments.curves import steps_key
from dashboard.experiments.wants import want
from dashboard.hardware import why, window
from dashboard.text import plain
from services.mirror.models import RunDetail
from services.telemetry.models import HostState


def draw(detail: RunDetail, host: HostState) -> None:
    """Draw the button, or the answer when the address asks for it."""
    if not why.is_open():
        why.opener(key="run-why")
        return
    run = detail.run

    def zoom(label: str, start: datetime, end: datetime) -> None:
        times = window.parameters(window.Window(start, end))
        navigation.link(
            "run", label, icon="zoom_in", run=run.run_id, part="hardware", why="true", **times
        )

    until = run.ended_at or datetime.now(UTC)
    why.draw(lambda: machines.why_run(run.run_id, host.machine.host, until), zoom)
    _steps(detail)


def _steps(detail: RunDetail) -> None:
    """Ask for the curve that tells the run's speed, where the mirror has none."""
    run_id = detail.run.run_id
    key = steps_key({name: point.step for name, point in detail.points.items()})
    if key is None or key in state.mirror().curve_keys(run_id):
        return
    want("curve", (f"{run_id}/{key}",))
    st.caption(
        f"The times of its steps ({plain(key, 60)}) are being fetched from MLflow: when the page "
        "is opened again, what each cause cost is measured by them, not estimated."
    )
