"""How a machine is told on a terminal: its figures with units, and why others are missing."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from services.engines.silicon.models import METRICS, Reading

if TYPE_CHECKING:
    from rich.console import Group

    from services.telemetry.models import HostState

COLUMNS = ("reading", "value", "quality", "source")
PROCESS_COLUMNS = ("owner", "project", "process", "pid", "CPU", "GPU", "memory", "MLX")
HOST_COLUMNS = ("machine", "chip", "CPU", "GPU", "memory", "power", "newest sample")
_LATE_S = 10.0
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_THERMAL = ("nominal", "moderate", "heavy", "trapping", "sleeping")
_PRESSURE = {1: "normal", 2: "warning", 4: "critical"}


def size(value: float | None) -> str:
    """Return bytes for people, in decimal units as everywhere."""
    if value is None:
        return "–"
    for unit, name in _SIZES:
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return f"{value:.0f} B"


def figure(reading: Reading | None) -> str:
    """Return a reading's value with its unit; a dash when there is none."""
    if reading is None or reading.value is None:
        return "–"
    value, metric = reading.value, METRICS.get(reading.metric)
    words = _words(reading.metric, value)
    if words:
        return words
    unit = metric.unit if metric else ""
    if unit == "ratio":
        return f"{value:.0%}"
    if unit in {"bytes", "bytes/s"}:
        return size(value) + unit.removeprefix("bytes")
    digits = 0 if unit in {"MHz", "rpm", "count"} else 1
    return f"{value:.{digits}f} {unit}".strip()


def _words(name: str, value: float) -> str:
    if name == "thermal_level" and 0 <= value < len(_THERMAL):
        return f"{value:.0f} ({_THERMAL[int(value)]})"
    if name == "memory_pressure":
        return f"{value:.0f} ({_PRESSURE.get(int(value), 'unknown')})"
    known = METRICS.get(name)
    if known and known.unit == "flag":
        return "yes" if value else "no"
    return f"{value:.0f}" if known and known.unit == "level" else ""


def heading(state: "HostState", now: datetime) -> str:
    """Return one line about the machine."""
    machine = state.machine
    gpu = f"{machine.gpu_cores} GPU cores" if machine.gpu_cores else machine.gpu
    cores = " + ".join(
        f"{tier.cores} {'cores' if tier.name == 'all' else tier.name}" for tier in machine.tiers
    )
    memory = size(machine.memory_bytes) if machine.memory_bytes else None
    parts = (machine.host, machine.chip, machine.os, cores, gpu, memory, f"{age(state, now)}")
    return " · ".join(filter(None, parts))


def age(state: "HostState", now: datetime) -> str:
    """Return how old the newest sample is."""
    if state.last_at is None:
        return "never sampled"
    seconds = max(0.0, (now - state.last_at).total_seconds())
    for unit_s, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {name} ago"
    return f"{seconds:.0f} s ago"


def late(state: "HostState", now: datetime) -> str:
    """Return a sentence when the figures are not those of now; empty when they are."""
    if state.last_at is None:
        return f"{state.machine.host} has not sent a sample yet."
    seconds = (now - state.last_at).total_seconds()
    if seconds <= max(_LATE_S, 3 * state.interval_s):
        return ""
    return (
        f"These are its figures of {age(state, now)}: the machine is off, asleep, or its sampler "
        "is stopped (`mlops status`)."
    )


def readings(state: "HostState") -> list[list[str]]:
    """Return a row for each figure there is, in the order of ``METRICS``."""
    order = {name: place for place, name in enumerate(METRICS)}
    known = [reading for reading in state.readings if reading.value is not None]
    known.sort(key=lambda reading: (order.get(reading.metric, len(order)), reading.metric))
    return [
        [_title(reading.metric), figure(reading), _quality(reading), reading.source]
        for reading in known
    ]


def _quality(reading: Reading) -> str:
    return f"{reading.quality}: {reading.reason}" if reading.reason else reading.quality


def _title(name: str) -> str:
    return METRICS[name].title if name in METRICS else name


def missing(state: "HostState") -> Iterator[str]:
    """Yield a sentence for each reason why figures are unavailable, with all it holds for."""
    by_reason: dict[str, list[str]] = {}
    for reading in state.readings:
        if reading.value is None:
            title = _title(reading.metric)
            by_reason.setdefault(reading.reason or "no reason given", []).append(title)
    for reason, titles in by_reason.items():
        yield f"Unavailable ({reason.rstrip('.')}): {', '.join(titles)}."


def processes(state: "HostState") -> list[list[str]]:
    """Return a row for each process, those with an owner first, then by CPU."""
    window = state.interval_s

    def share(seconds: float | None) -> str:
        return "–" if seconds is None or window <= 0 else f"{seconds / window:.0%}"

    ordered = sorted(state.processes, key=lambda p: (not p.owner, p.owner, -(p.cpu_s or 0.0)))
    return [
        [p.owner or "(nobody's)", p.project or "–", p.name, str(p.pid), share(p.cpu_s),
         share(p.gpu_s), size(p.memory_bytes), size(p.mlx_active_bytes)]
        for p in ordered
    ]  # fmt: skip


def hosts(found: "tuple[HostState, ...]", now: datetime) -> list[list[str]]:
    """Return a row for each machine."""

    def power(state: "HostState") -> str:
        system = state.reading("system_w")
        known = system if system and system.value is not None else state.reading("package_w")
        return figure(known)

    return [
        [state.machine.host, state.machine.chip or "–", figure(state.reading("cpu_ratio")),
         figure(state.reading("gpu_ratio")), figure(state.reading("memory_used_bytes")),
         power(state), age(state, now)]
        for state in found
    ]  # fmt: skip


def picture(state: "HostState", found: "tuple[HostState, ...]", now: datetime) -> "Group":
    """Return a whole screen for ``--watch``."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    def table(columns: tuple[str, ...], rows: list[list[str]]) -> Table:
        made = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            made.add_column(column, overflow="fold")
        for row in rows:
            made.add_row(*(escape(cell) for cell in row))
        return made

    parts: list[Text | Table] = [Text(heading(state, now), style="bold")]
    if said := late(state, now):
        parts.append(Text(said, style="yellow"))
    parts.append(table(COLUMNS, readings(state)))
    if state.processes:
        parts += [Text(), table(PROCESS_COLUMNS, processes(state))]
    parts += [Text(sentence, style="dim") for sentence in missing(state)]
    if len(found) > 1:
        parts += [Text(), table(HOST_COLUMNS, hosts(found, now))]
    return Group(*parts)
