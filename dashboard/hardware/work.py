"""Who uses a machine now: processes by owner and project."""

import streamlit as st

from dashboard import state
from dashboard.components import tables
from dashboard.hardware import access
from dashboard.hardware.listing import LIVE_S
from dashboard.hardware.readings import MISSING
from dashboard.numbers import age, percent, size


def draw(name: str) -> None:
    """Draw the processes, again every two seconds."""
    st.fragment(_draw, run_every=LIVE_S)(name)


def _draw(name: str) -> None:
    host = access.host(name)
    if host is None:
        return
    if access.standing(host) != "live":
        st.caption(f"As they were when it was last heard, {age(host.last_at)}.")
    found = access.work(host, state.visible_projects())
    if not found:
        st.caption("No process of a run, a task or an engine was seen, and no other is busy.")
        return
    titles = access.titles()
    rows = [_row(work, titles) for work in found]
    figure = st.column_config.TextColumn
    # The first six fit a narrow window.
    columns = {
        "what": figure("who", width=150),
        "project": figure("project", width=130),
        "run": st.column_config.LinkColumn("run", display_text="Open", width=55),
        "cpu": figure("CPU", alignment="right", width=85),
        "gpu": figure("GPU", alignment="right", width=85),
        "memory": figure("memory", alignment="right", width=85),
        "mlx": figure("MLX now", alignment="right", width=85),
        "peak": figure("MLX peak", alignment="right", width=85),
        "processes": figure("processes", alignment="right", width=90),
    }
    tables.table(rows, columns, key="hardware-work", max_rows_shown=14)
    st.caption(
        f"CPU in cores kept busy, GPU as a share of the time, both over the last "
        f"{host.interval_s:.3g} s. MLX memory is what a process says of itself: one without MLX "
        "says nothing. Of other people’s processes only the busiest are listed, by name."
    )


def _row(work: access.Work, titles: dict[str, str]) -> dict[str, object]:
    project = titles.get(work.project, work.project)
    return {
        "what": access.called(work),
        "project": project or ("not yours to see" if work.hidden else "none"),
        "run": access.run_link(work.run_id) if work.run_id else "",
        "processes": str(work.processes),
        "cpu": MISSING if work.cpu_cores is None else f"{work.cpu_cores:.2f} cores",
        "gpu": MISSING if work.gpu_ratio is None else percent(work.gpu_ratio),
        "memory": MISSING if work.memory_bytes is None else size(work.memory_bytes),
        "mlx": "none" if work.mlx_active_bytes is None else size(work.mlx_active_bytes),
        "peak": "none" if work.mlx_peak_bytes is None else size(work.mlx_peak_bytes),
    }
