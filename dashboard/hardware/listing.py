"""One row a machine, drawn again every two seconds."""

from collections.abc import Sequence

import streamlit as st

from dashboard.components import status, tables
from dashboard.hardware import access
from dashboard.hardware.figures import figure, hottest, memory, power
from dashboard.numbers import age, counted
from services.telemetry.models import HostState

LIVE_S = 2.0


def live() -> None:
    """Draw all machines, and again while the page is open."""
    st.fragment(_draw, run_every=LIVE_S)()


def _draw() -> None:
    hosts = access.hosts()
    draw(hosts)


def draw(hosts: Sequence[HostState]) -> None:
    """Draw the table."""
    tables.table(
        [row(host) for host in hosts],
        {
            "host": st.column_config.TextColumn("Machine", width=140),
            "state": status.column("State", ("live", "stale", "never")),
            "work": st.column_config.TextColumn("Works on", width=170),
            "chip": st.column_config.TextColumn("Chip", width=120),
            "cpu": st.column_config.TextColumn("CPU", width=70),
            "gpu": st.column_config.TextColumn("GPU", width=90),
            "memory": st.column_config.TextColumn("Memory", width=120),
            "power": st.column_config.TextColumn("Power", width=110),
            "temperature": st.column_config.TextColumn("Hottest", width=90),
            "thermal": st.column_config.TextColumn("Thermal level", width=100),
            "heard": st.column_config.TextColumn("Heard", width=90),
        },
        key="hosts",
    )


def row(host: HostState) -> dict[str, object]:
    """Return one machine as cells."""
    return {
        "host": host.machine.host,
        "state": status.cell(access.standing(host)),
        "heard": age(host.last_at),
        "chip": host.machine.chip or "not reported",
        "cpu": figure(host.reading("cpu_ratio")),
        "gpu": figure(host.reading("gpu_ratio")),
        "memory": memory(host),
        "power": power(host),
        "temperature": hottest(host),
        "thermal": figure(host.reading("thermal_level")),
        "work": works_on(host),
    }


def works_on(host: HostState) -> str:
    """Return what runs there in a few words: its runs by project, else that none does."""
    if access.standing(host) != "live":
        return "not known"
    runs = [one for one in access.work(host) if not one.mine or one.owner.startswith("run:")]
    if not runs:
        return "no run"
    names = sorted({one.project or "another project" for one in runs})
    return f"{counted(len(runs), 'run')}: {', '.join(names)}"
