"""The curves of one machine over the chosen range, with what happened on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import streamlit as st

from dashboard import scope
from dashboard.charts import timeline
from dashboard.charts.timeline import Band, Curve, Mark, Unit
from dashboard.hardware import access
from dashboard.hardware.access import Window
from dashboard.text import plain
from services.telemetry.models import Event, HostState, Series

_MOST_MARKS = 40


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: its title, its unit and its metrics with the words of the legend."""

    title: str
    unit: Unit
    metrics: tuple[tuple[str, str], ...]


PANELS = (
    Panel("Processor", "%", (
        ("cpu_ratio", "all cores"), ("cpu_super_ratio", "super"),
        ("cpu_performance_ratio", "performance"), ("cpu_efficiency_ratio", "efficiency"))),
    Panel("GPU", "%", (("gpu_ratio", "GPU"),)),
    Panel("Power", "W", (
        ("cpu_w", "CPU"), ("gpu_w", "GPU"), ("ane_w", "Neural Engine"), ("dram_w", "memory"),
        ("system_w", "whole system"))),
    Panel("Memory", "B", (
        ("memory_used_bytes", "used"), ("memory_wired_bytes", "wired"),
        ("memory_compressed_bytes", "compressed"), ("swap_used_bytes", "swap"))),
    Panel("Temperature", "°C", (("cpu_temperature_c", "CPU"), ("gpu_temperature_c", "GPU"))),
    Panel("Clock", "MHz", (
        ("cpu_mhz", "CPU"), ("cpu_super_mhz", "super"), ("cpu_performance_mhz", "performance"),
        ("cpu_efficiency_mhz", "efficiency"), ("gpu_mhz", "GPU"))),
    Panel("Disk", "B/s", (("disk_read_bytes_s", "read"), ("disk_write_bytes_s", "written"))),
    Panel("Network", "B/s", (("network_in_bytes_s", "in"), ("network_out_bytes_s", "out"))),
    Panel("Fan", "rpm", (("fan_rpm", "fastest fan"),)),
)  # fmt: skip
_STATES = ("thermal_level", "low_power_mode", "memory_pressure")


def live(host: HostState) -> None:
    """Draw the curves, and again as fast as the range moves."""
    drawn = access.window(scope.current(), host)
    st.fragment(_draw, run_every=drawn.refresh_s)(host.machine.host)


def _draw(name: str) -> None:
    host = next((one for one in access.hosts() if one.machine.host == name), None)
    if host is None:
        return
    drawn = access.window(scope.current(), host)
    metrics = [metric for panel in PANELS for metric, _ in panel.metrics]
    found = access.series(name, [*metrics, *_STATES], drawn)
    happened = access.events(name, drawn)
    shaded, marked = bands(found, drawn), marks(happened)
    missing: list[tuple[str, str]] = []
    with st.grid(2, min_column_width=280):
        for panel in PANELS:
            curves = curves_of(panel, found)
            if not curves:
                missing.append((panel.title, reason(panel, found)))
                continue
            with st.container(border=True):
                st.markdown(f"**{panel.title}**")
                timeline.draw(
                    curves,
                    key=f"hardware-{panel.title}",
                    unit=panel.unit,
                    start=drawn.start,
                    end=drawn.end,
                    bands=shaded,
                    marks=marked,
                )
    if missing:
        told = " · ".join(f"**{title}**: {plain(why, 200)}" for title, why in missing)
        st.caption(f":material/visibility_off: Not drawn in this time. {told}")


def curves_of(panel: Panel, found: dict[str, Series]) -> dict[str, Curve]:
    """Return the curves of a panel that have a value anywhere."""
    return {
        word: Curve(one.times, one.mean, one.low, one.high)
        for metric, word in panel.metrics
        if (one := found.get(metric)) is not None and any(v is not None for v in one.mean)
    }


def reason(panel: Panel, found: dict[str, Series]) -> str:
    """Return why a panel has nothing to draw."""
    said = (r for metric, _ in panel.metrics if metric in found for r in found[metric].reasons)
    return next((r for r in said if r != "needs two samples"), "nothing was sampled")


def bands(found: dict[str, Series], drawn: Window) -> list[Band]:
    """Return when the machine was throttled, in Low Power Mode or short of memory."""
    kinds = (
        ("thermal_level", 1.0, "thermal"),
        ("low_power_mode", 1.0, "Low Power Mode"),
        ("memory_pressure", 2.0, "memory pressure"),
    )
    return [
        band
        for metric, bound, title in kinds
        if metric in found
        for band in _above(found[metric], bound, title, drawn)
    ]


def _above(one: Series, bound: float, title: str, drawn: Window) -> list[Band]:
    out: list[Band] = []
    begun = None
    for at, high in zip(one.times, one.high, strict=True):
        over = high is not None and high >= bound
        if over and begun is None:
            begun = max(at, drawn.start)
        elif not over and begun is not None:
            out.append(Band(begun, at, title))
            begun = None
    if begun is not None:
        last = one.times[-1] + timedelta(seconds=one.bucket_s)
        out.append(Band(begun, min(max(last, begun), drawn.end), title))
    return out


def marks(happened: Sequence[Event]) -> list[Mark]:
    """Return the events that are drawn as lines: the newest when there are too many."""
    shown = [event for event in happened if event.kind.startswith(("run.", "deploy"))]
    return [Mark(event.at, event.title) for event in shown[-_MOST_MARKS:]]
