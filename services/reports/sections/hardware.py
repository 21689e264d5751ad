"""Machines: their chip, power, energy and heat, what slowed them, beside the period before."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from typing import Literal

from services.errors import InputError, NotFoundError
from services.reports.models import Asked, Chart, Figure, Section, Table, Window, first
from services.reports.units import told
from services.telemetry.models import Event, HostState, Series

SOURCE = "the telemetry of the machines"
_POWER = ("system_w", "package_w")
"""Of a machine, the first that it tells."""
_METRICS = (*_POWER, "thermal_level", "gpu_temperature_c")
_POINTS = 11_000
"""A week by the minute: what a stretch holds is taken for all of it, so it must be short."""
_CHARTS = 9
Found = Mapping[str, Series]
_COUNTED = (
    ("Throttling began", "throttling.began"),
    ("Memory pressure rose", "pressure.rose"),
    ("Low Power Mode", "low_power.on"),
)


def section(asked: Asked) -> Section:
    """Return the section."""
    hosts = asked.telemetry.hosts()
    now, before = _events(asked, asked.window), _events(asked, asked.window.before)
    read = {one.machine.host: _series(asked, one.machine.host, asked.window) for one in hosts}
    then = {
        one.machine.host: _series(asked, one.machine.host, asked.window.before) for one in hosts
    }
    figures = (
        Figure("Machines", len(hosts), None, SOURCE, standing=True),
        _energy_figure(read, then),
        *(
            Figure(label, now[kind], before[kind], SOURCE, "", "less") for label, kind in _COUNTED
        ),
    )  # fmt: skip
    rows, left = first([_row(one, read[one.machine.host], then[one.machine.host]) for one in hosts])
    columns = ("machine", "chip", "memory", "chip power, mean W (before)",
               "system power, mean W (before)", "energy (before)",
               "highest thermal level (before)", "GPU, highest °C (before)")  # fmt: skip
    table = Table("Machines", columns, rows, SOURCE, "No machine reports.", left)
    notes = (
        "A figure that a machine does not tell says why; it is never taken for 0.",
        "Energy is the mean power of each stretch of time in which the machine was sampled by its "
        "length: of the whole machine where it tells that, else of the chip.",
    )
    return Section(
        "hardware", "Apple Silicon and other machines", figures, (), (table,), notes,
        small=tuple(_charts(asked.window, read)),
    )  # fmt: skip


def _events(asked: Asked, window: Window) -> Counter[str]:
    found: Sequence[Event] = asked.telemetry.events(window.since, window.until)
    return Counter(one.kind for one in found)


def _series(asked: Asked, host: str, window: Window) -> Found:
    until = window.until - timedelta(microseconds=1)
    try:
        found = asked.telemetry.series(host, _METRICS, window.since, until, _POINTS)
    except (NotFoundError, InputError):  # it was removed in this moment
        return {}
    return {one.metric: one for one in found}


def _row(host: HostState, now: Found, before: Found) -> tuple[str, ...]:
    machine = host.machine
    memory = "–" if machine.memory_bytes is None else f"{machine.memory_bytes / 1024**3:.4g} GiB"
    power = _power(now)
    energy = _why(now.get("package_w"))
    if power is not None:
        energy = told(joules(power), "J") + ("" if power.metric == "system_w" else ", chip alone")
        was = before.get(power.metric)
        if was is not None and _known(was.mean):
            energy += f" ({told(joules(was), 'J')})"
    return (
        machine.host,
        machine.chip or ("–" if machine.apple_silicon else "not Apple Silicon"),
        memory,
        _mean(now.get("package_w"), before.get("package_w")),
        _mean(now.get("system_w"), before.get("system_w")),
        energy,
        _highest(now.get("thermal_level"), before.get("thermal_level")),
        _highest(now.get("gpu_temperature_c"), before.get("gpu_temperature_c")),
    )


def _power(found: Found) -> Series | None:
    """Return the power of the whole machine, else of its chip; None: it tells none."""
    told_of = (found.get(metric) for metric in _POWER)
    return next((one for one in told_of if one is not None and _known(one.mean)), None)


def joules(one: Series) -> float:
    """Return a power by the time in which it was sampled."""
    return sum(_known(one.mean)) * one.bucket_s


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _energy_figure(now: Mapping[str, Found], before: Mapping[str, Found]) -> Figure:
    def total(some: Mapping[str, Found]) -> tuple[float | None, int]:
        powers = [one for found in some.values() if (one := _power(found)) is not None]
        return (sum(map(joules, powers)) if powers else None), len(powers)

    energy, known = total(now)
    source = f"{SOURCE}; {known} of {len(now)} tell a power"
    reason = "" if known else "No machine tells a power."
    return Figure("Energy of the machines", energy, total(before)[0], source, "J", "", reason)


def _charts(window: Window, read: Mapping[str, Found]) -> Iterator[Chart]:
    days = window.days
    powers = [(host, one) for host, found in read.items() if (one := _power(found)) is not None]
    for host, one in powers[:_CHARTS]:
        by_day: dict[date, list[float]] = {day: [] for day in days}
        for at, value in zip(one.times, one.mean, strict=True):
            day = at.astimezone(UTC).date()
            if value is not None and day in by_day:
                by_day[day].append(value)
        values = tuple(sum(some) / len(some) if some else None for some in by_day.values())
        what = "system" if one.metric == "system_w" else "chip"
        yield Chart(f"{host}: {what} power a day, mean", days, values, SOURCE, "W", line=True)


def _mean(one: Series | None, before: Series | None) -> str:
    return _both(one, _of(one, "mean"), _of(before, "mean"), lambda some: sum(some) / len(some))


def _highest(one: Series | None, before: Series | None) -> str:
    return _both(one, _of(one, "high"), _of(before, "high"), max)


def _of(one: Series | None, what: Literal["mean", "high"]) -> list[float]:
    return [] if one is None else _known(one.mean if what == "mean" else one.high)


def _both(
    one: Series | None,
    now: Sequence[float],
    before: Sequence[float],
    of: Callable[[Sequence[float]], float],
) -> str:
    if not now:
        return _why(one)
    return f"{of(now):.3g} ({of(before):.3g})" if before else f"{of(now):.3g}"


def _why(one: Series | None) -> str:
    return one.reasons[0] if one is not None and one.reasons else "not sampled"
