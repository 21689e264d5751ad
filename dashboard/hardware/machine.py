"""What a machine is, every figure it tells with its quality, and who tells them."""

import streamlit as st

from dashboard import machines
from dashboard.components import status, tables
from dashboard.components.notices import advice
from dashboard.hardware import access, readings
from dashboard.hardware.listing import LIVE_S
from dashboard.numbers import UNKNOWN, counted, number, size
from dashboard.text import plain
from services.engines.silicon.chips import chip as known_chip
from services.engines.silicon.models import METRICS, Machine, ProviderState, Reading
from services.telemetry.models import HostState

_QUALITIES = {"measured": "ok", "estimated": "warning", "unavailable": "unknown"}
_SHAPES = {"measured": "✓", "estimated": "≈", "unavailable": "○"}


def facts(machine: Machine) -> dict[str, str]:
    """Return what a machine is, by name; what is not known says so."""
    chip = known_chip(machine.chip)
    tiers = " + ".join(_tier(one.name, one.cores, one.max_mhz) for one in machine.tiers)
    found = {
        "Chip": machine.chip,
        "Model": machine.model,
        "System": machine.os,
        "CPU cores": tiers or None,
        "GPU": machine.gpu,
        "GPU cores": number(machine.gpu_cores) if machine.gpu_cores else None,
        "Memory": size(machine.memory_bytes) if machine.memory_bytes else None,
        "Recommended working set": _working_set(machine),
    }
    if machine.apple_silicon:
        bandwidth = chip.bandwidth_bytes_s(machine.gpu_cores) if chip else None
        flops = chip.fp32_flops(machine.gpu_cores) if chip else None
        sure = "" if chip and chip.certain else ", its clock taken from a sibling chip"
        sign, how = readings.ESTIMATED, f"estimated: cores × 128 × 2 × clock{sure}"
        found |= {
            "Memory bandwidth": f"{size(bandwidth)}/s, as Apple publishes" if bandwidth else None,
            "GPU peak, fp32": f"{sign} {flops / 1e12:.1f} TFLOPS, {how}" if flops else None,
        }
    return {name: value or UNKNOWN for name, value in found.items()}


def draw(host: HostState) -> None:
    """Draw the machine's facts beside its providers."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**The machine**")
        st.table(
            {name: plain(value, 200) for name, value in facts(host.machine).items()},
            border="horizontal",
        )
    with right:
        st.markdown("**Who tells its figures**")
        if not host.providers:
            st.caption("It has not said who tells them.")
        for one in host.providers:
            _provider(one)
    for sentence in _problems():
        st.warning(plain(sentence, 400), icon=":material/healing:")


def figures(name: str) -> None:
    """Draw every figure as it is now, again every two seconds."""
    st.fragment(_figures, run_every=LIVE_S)(name)


def _figures(name: str) -> None:
    host = access.host(name)
    if host is None:
        return
    known = {reading.metric: reading for reading in host.readings}
    rows = [_reading(metric, known[metric]) for metric in METRICS if metric in known]
    rows += [_reading(name, known[name]) for name in sorted(known.keys() - METRICS.keys())]
    columns = {
        "figure": st.column_config.TextColumn("figure", width="medium", pinned=True),
        "value": st.column_config.TextColumn("value", alignment="right", width="small"),
        "quality": st.column_config.MultiselectColumn(
            "quality",
            options=[_quality(one)[0] for one in _QUALITIES],
            color=[status.look(look).colour for look in _QUALITIES.values()],
            width="small",
        ),
        "why": st.column_config.TextColumn("who says it, or why nobody does", width="large"),
        "what": st.column_config.TextColumn("what it is", width="medium"),
    }
    tables.table(rows, columns, key="hardware-figures", max_rows_shown=40)
    missing = sum(reading.value is None for reading in host.readings)
    st.caption(
        f"{counted(len(rows), 'figure')}, {missing} of them unavailable on this machine. Measured: "
        "the machine’s own counters or sensors said it. Estimated: computed from others. A missing "
        "one is never 0."
    )


def _reading(metric: str, reading: Reading) -> dict[str, object]:
    known = METRICS.get(metric)
    return {
        "figure": known.title if known else metric,
        "value": readings.figure(reading),
        "quality": _quality(reading.quality),
        "why": readings.why(reading),
        "what": known.what if known else "A newer version tells it.",
    }


def _quality(quality: str) -> list[str]:
    return [f"{_SHAPES.get(quality, '?')} {quality}"]


def _provider(one: ProviderState) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"**{plain(one.name, 60)}** {plain(one.version, 40)}".strip(), width="content"
            )
            if one.usable:
                partly = bool(one.reason)
                status.badge("warning" if partly else "ok", "partly" if partly else "in use")
            else:
                status.badge("unknown", "missing")
        if one.gives:
            titles = [METRICS[name].title if name in METRICS else name for name in one.gives]
            st.caption(f"Gives {plain(', '.join(titles), 600)}.")
        said = " ".join(part for part in (plain(one.reason, 300), _hint(one.hint)) if part)
        if said:
            st.caption(said)


def _hint(hint: str) -> str:
    """Return what to do; a bare command is set as one."""
    if hint and "`" not in hint and hint.startswith(("brew ", "pip ", "uv ", "mlops ")):
        return f"`{hint}` gets it."
    return advice(hint)


def _tier(name: str, cores: int, max_mhz: float | None) -> str:
    clock = f" at up to {max_mhz:,.0f} MHz" if max_mhz else ""
    return f"{cores}{clock}" if name == "all" else f"{cores} {name}{clock}"


def _working_set(machine: Machine) -> str | None:
    held = machine.recommended_working_set_bytes
    if not held:
        return None
    share = (
        f" ({held / machine.memory_bytes * 100:.0f} % of memory)" if machine.memory_bytes else ""
    )
    return f"{size(held)}{share}: what Metal lets one process wire"


def _problems() -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(machines.telemetry(), "problems", tuple)()
    return found
