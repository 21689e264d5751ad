"""One machine in full: what it is, what it does now, who uses it and who tells."""

import streamlit as st

from dashboard import navigation
from dashboard.components import status, tables
from dashboard.hardware import access
from dashboard.hardware.figures import MISSING, cores, figure, memory, why
from dashboard.numbers import UNKNOWN, age, percent, size
from dashboard.text import plain
from services.engines.silicon.chips import chip as facts_of
from services.engines.silicon.models import METRICS, Machine
from services.telemetry.models import HostState

_NOW = ("cpu_ratio", "gpu_ratio", "system_w", "thermal_level")
_LIVE_S = 2.0
_KINDS = frozenset({"engine", "task", "replica"})


def head(host: HostState) -> None:
    """Draw the machine's name, state and facts."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(host.machine.host, 60), width="content")
        status.badge(access.standing(host), why=f"Heard {age(host.last_at)}.")
    st.caption(" · ".join(facts(host.machine)))


def facts(machine: Machine) -> list[str]:
    """Return what the machine is, as short phrases; what nobody knows is left out."""
    known = facts_of(machine.chip)
    bandwidth = known.bandwidth_bytes_s(machine.gpu_cores) if known else None
    flops = known.fp32_flops(machine.gpu_cores) if known else None
    found = [
        plain(machine.chip or "chip not reported", 60),
        plain(machine.model, 40) if machine.model else "",
        f"{cores(machine)} cores" if machine.tiers else "",
        f"{machine.gpu_cores} GPU cores" if machine.gpu_cores else "",
        f"{size(machine.memory_bytes)} memory" if machine.memory_bytes else "",
        f"{size(bandwidth)}/s memory bandwidth" if bandwidth else "",
        f"≈ {flops / 1e12:.1f} TFLOPS fp32" if flops else "",
        f"GPU may wire {size(machine.recommended_working_set_bytes)}"
        if machine.recommended_working_set_bytes
        else "",
        plain(machine.os, 60),
    ]
    return [phrase for phrase in found if phrase]


def live(name: str) -> None:
    """Draw what the machine does now, again every two seconds."""
    st.fragment(_now, run_every=_LIVE_S)(name)


def _now(name: str) -> None:
    host = next((one for one in access.hosts() if one.machine.host == name), None)
    if host is None:
        return
    if access.standing(host) != "live":
        st.info(
            f"This machine was heard {age(host.last_at)}; the figures are its last ones.",
            icon=":material/schedule:",
        )
    with st.grid(5, min_column_width=150):
        for metric in _NOW:
            reading = host.reading(metric)
            with st.container():
                st.metric(
                    METRICS[metric].title,
                    figure(reading),
                    help=plain(why(reading), 300),
                    border=True,
                    height="stretch",
                )
        st.metric(
            "Memory",
            memory(host),
            help=plain(why(host.reading("memory_used_bytes")), 300),
            border=True,
            height="stretch",
        )
    _work(host)


def _work(host: HostState) -> None:
    st.markdown("**Who uses it**")
    found = access.work(host)
    if not found:
        st.caption("No process of a run, a task or an engine was seen, and no other is busy.")
        return
    rows = [
        {
            "who": who(work),
            "link": address(work.owner),
            "project": work.project or ("another project" if not work.mine else "none"),
            "processes": work.processes,
            "cpu": MISSING if work.cpu_cores is None else f"{work.cpu_cores:.2f} cores",
            "gpu": MISSING if work.gpu_share is None else percent(work.gpu_share),
            "memory": MISSING if work.memory_bytes is None else size(work.memory_bytes),
            "mlx": UNKNOWN if work.mlx_bytes is None else size(work.mlx_bytes),
        }
        for work in found
    ]
    tables.table(
        rows,
        {
            "who": st.column_config.TextColumn("Who", width=230),
            "link": st.column_config.LinkColumn("", display_text="open", width=60),
            "project": st.column_config.TextColumn("Project", width=150),
            "processes": st.column_config.NumberColumn("Processes", width=90, format="%d"),
            "cpu": st.column_config.TextColumn("CPU", width=100),
            "gpu": st.column_config.TextColumn("GPU", width=100),
            "memory": st.column_config.TextColumn("Memory", width=100),
            "mlx": st.column_config.TextColumn("MLX memory", width=110),
        },
        key="hardware-work",
        max_rows_shown=10,
    )


def who(work: access.Work) -> str:
    """Return whose the processes are."""
    if not work.mine:
        return "a run of another project"
    kind, _, name = work.owner.partition(":")
    if kind == "run":
        return f"run {access.run_name(name)}"
    return f"{kind if kind in _KINDS else 'other:'} {name}"


def address(owner: str) -> str:
    """Return where a run is shown; empty for what has no page."""
    kind, _, name = owner.partition(":")
    return navigation.address("run", run=name) if kind == "run" else ""


def providers(host: HostState) -> None:
    """Draw who tells what, and what is missing to know more."""
    with st.expander("Who tells these figures", icon=":material/sensors:"):
        rows = [
            {
                "name": one.name,
                "version": one.version or UNKNOWN,
                "state": status.cell("ok" if one.usable and not one.reason else "warning"),
                "gives": len(one.gives),
                "said": " ".join(part for part in (one.reason, one.hint) if part) or "all well",
            }
            for one in host.providers
        ]
        tables.table(
            rows,
            {
                "name": st.column_config.TextColumn("Provider", width=130),
                "version": st.column_config.TextColumn("Version", width=90),
                "state": status.column("State", ("ok", "warning")),
                "gives": st.column_config.NumberColumn("Figures", width=70, format="%d"),
                "said": st.column_config.TextColumn("What it says"),
            },
            key="hardware-providers",
        )
        missing = [r for r in host.readings if r.value is None]
        if missing:
            st.markdown("**Not available on this machine**")
            by_reason: dict[str, list[str]] = {}
            for reading in missing:
                by_reason.setdefault(reading.reason, []).append(METRICS[reading.metric].title)
            for reason, titles in by_reason.items():
                st.caption(f"{plain(reason, 200)}: {', '.join(titles)}")
