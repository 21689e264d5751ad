"""Machines: their chip, power, heat and what slowed them."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from services.errors import InputError, NotFoundError
from services.reports.models import Asked, Figure, Section, Table, Window, first
from services.telemetry.models import Event, HostState, Series

SOURCE = "the telemetry of the machines"
_METRICS = ("package_w", "system_w", "thermal_level", "gpu_temperature_c")
_POINTS = 500


def section(asked: Asked) -> Section:
    """Return the section."""
    hosts = asked.telemetry.hosts()
    now, before = _events(asked, asked.window), _events(asked, asked.window.before)
    figures = (
        Figure("Machines", len(hosts), None, SOURCE, standing=True),
        *(
            Figure(label, now[kind], before[kind], SOURCE, "", "less")
            for label, kind in (
                ("Throttling began", "throttling.began"),
                ("Memory pressure rose", "pressure.rose"),
                ("Low Power Mode", "low_power.on"),
            )
        ),
    )
    rows, left = first([_row(asked, one) for one in hosts])
    columns = ("machine", "chip", "memory", "chip power, mean W", "system power, mean W",
               "highest thermal level", "GPU, highest °C")  # fmt: skip
    table = Table("Machines", columns, rows, SOURCE, "No machine reports.", left)
    note = "A figure that a machine does not tell says why; it is never taken for 0."
    return Section("hardware", "Apple Silicon and other machines", figures, (), (table,), (note,))


def _events(asked: Asked, window: Window) -> Counter[str]:
    found: Sequence[Event] = asked.telemetry.events(window.since, window.until)
    return Counter(one.kind for one in found)


def _row(asked: Asked, host: HostState) -> tuple[str, ...]:
    machine = host.machine
    found = {one.metric: one for one in _series(asked, machine.host)}
    memory = "–" if machine.memory_bytes is None else f"{machine.memory_bytes / 1024**3:.4g} GiB"
    return (
        machine.host,
        machine.chip or ("–" if machine.apple_silicon else "not Apple Silicon"),
        memory,
        _mean(found.get("package_w")),
        _mean(found.get("system_w")),
        _highest(found.get("thermal_level")),
        _highest(found.get("gpu_temperature_c")),
    )


def _series(asked: Asked, host: str) -> Sequence[Series]:
    window = asked.window
    try:
        return asked.telemetry.series(
            host, _METRICS, window.since, window.until - timedelta(microseconds=1), _POINTS
        )
    except (NotFoundError, InputError):  # it was removed in this moment
        return ()


def _mean(one: Series | None) -> str:
    known = [value for value in one.mean if value is not None] if one else []
    return f"{sum(known) / len(known):.3g}" if known else _why(one)


def _highest(one: Series | None) -> str:
    known = [value for value in one.high if value is not None] if one else []
    return f"{max(known):.3g}" if known else _why(one)


def _why(one: Series | None) -> str:
    return one.reasons[0] if one is not None and one.reasons else "not sampled"
