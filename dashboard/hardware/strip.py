"""One machine's figures side by side, each with its course of the last minutes, as one drawing.

HTML and SVG of our own: it is drawn again every two seconds in every open tab, and a chart library
takes longer for one of these lines than all of them take here.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.charts.theme import Colours
from dashboard.hardware import readings
from dashboard.hardware.readings import MISSING
from dashboard.numbers import size
from dashboard.text import markup
from services.engines.silicon.models import Reading
from services.telemetry.models import HostState, Series

METRICS = (
    "cpu_ratio", "gpu_ratio", "memory_used_bytes", "system_w", "package_w", "gpu_w",
    "cpu_temperature_c", "gpu_temperature_c",
)  # fmt: skip
"""Whose course is drawn."""

_WIDTH, _HEIGHT_PX, _ROOM_PX = 240, 30, 3
_LINE = "fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-width:1.5"
_BADGES = {0: ("✓", "good"), 1: ("▲", "warn"), 2: ("▲", "warn")}


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure."""

    label: str
    value: str
    below: str
    why: str
    course: Series | None = None
    top: float | None = None
    """Of the drawn axis; None: the greatest value drawn."""
    tone: str = ""
    """Name of one of the theme's colours for the value; empty: that of text."""


def cells(host: HostState, courses: dict[str, Series]) -> tuple[Cell, ...]:
    """Return what a row shows of a machine."""
    return (
        _load("CPU", host, "cpu_ratio", "cpu_mhz", courses),
        _load("GPU", host, "gpu_ratio", "gpu_mhz", courses),
        _memory(host, courses),
        _named("Power", *readings.power(host), courses),
        _named("Temperature", *readings.heat(host), courses),
        _thermal(host),
    )


def html(shown: Sequence[Cell], hues: Colours, *, faded: bool) -> str:
    """Return the drawing; ``faded`` says that the figures are not of now."""
    inner = "".join(_cell(one, hues, faded=faded) for one in shown)
    return (
        '<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(146px,1fr));'
        f'gap:10px 20px;font-variant-numeric:tabular-nums">{inner}</div>'
    )


def _load(label: str, host: HostState, metric: str, clock: str, courses: dict[str, Series]) -> Cell:
    reading = host.reading(metric)
    mhz = host.reading(clock)
    if label == "CPU" and (mhz is None or mhz.value is None):
        names = [f"cpu_{one.name}_mhz" for one in host.machine.tiers]
        mhz = next((r for name in names if (r := host.reading(name)) and r.value is not None), None)
    below = "" if mhz is None or mhz.value is None else f"at {readings.figure(mhz)}"
    return Cell(
        label, readings.figure(reading), below, readings.why(reading), courses.get(metric), 1.0
    )


def _memory(host: HostState, courses: dict[str, Series]) -> Cell:
    used, total = readings.amount(host, "memory_used_bytes"), host.machine.memory_bytes
    pressure = readings.amount(host, "memory_pressure")
    swap = readings.amount(host, "swap_used_bytes")
    parts = [f"of {size(total)}" if total else ""]
    if pressure is not None and pressure > 1:
        parts.append(f"pressure {readings.value('memory_pressure', pressure)}")
    elif swap:
        parts.append(f"swap {size(swap)}")
    return Cell(
        "Memory",
        MISSING if used is None else size(used),
        " · ".join(part for part in parts if part),
        readings.why(host.reading("memory_used_bytes")),
        courses.get("memory_used_bytes"),
        float(total) if total else None,
        "warn" if pressure is not None and pressure > 1 else "",
    )


def _named(label: str, reading: Reading | None, what: str, courses: dict[str, Series]) -> Cell:
    course = courses.get(reading.metric) if reading is not None else None
    return Cell(label, readings.figure(reading), what, readings.why(reading), course)


def _thermal(host: HostState) -> Cell:
    reading = host.reading("thermal_level")
    level = readings.amount(host, "thermal_level")
    fan = host.reading("fan_rpm")
    below = "" if fan is None or fan.value is None else f"fan {readings.figure(fan)}"
    if level is None:
        return Cell("Thermal level", MISSING, below, readings.why(reading))
    sign, tone = _BADGES.get(round(level), ("✕", "bad"))
    return Cell(
        "Thermal level",
        f"{sign} {readings.figure(reading)}",
        below,
        readings.why(reading),
        tone=tone,
    )


def _cell(one: Cell, hues: Colours, *, faded: bool) -> str:
    tone: str = getattr(hues, one.tone) if one.tone else hues.text
    tone = hues.muted if faded else tone
    muted = f"font-size:12px;line-height:17px;color:{hues.muted}"
    head = f'<div title="{markup(one.why)}" style="min-width:0"><div style="{muted}">'
    head += f"{markup(one.label)}</div>"
    if one.value == MISSING:
        cut = "display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden"
        return (
            f'{head}<div style="font-size:15px;line-height:27px;font-style:italic;color:'
            f'{hues.muted}">{MISSING}</div><div style="{muted};{cut}">{markup(one.why)}</div></div>'
        )
    return (
        f'{head}<div style="font-size:19px;line-height:27px;font-weight:600;white-space:nowrap;'
        f'color:{tone}">{markup(one.value)}</div>{"" if faded else _course(one, hues)}'
        f'<div style="{muted};min-height:17px">{markup(one.below)}</div></div>'
    )


def _course(one: Cell, hues: Colours) -> str:
    """Return the line of the last minutes, broken where nothing was sampled."""
    parts = [] if one.course is None else list(_pieces(one.course, one.top))
    if not parts:
        return f'<div style="height:{_HEIGHT_PX}px"></div>'
    # A picture, because the page's HTML may not hold SVG itself.
    areas = "".join(
        f"M{part[0][0]:.0f} {_HEIGHT_PX}L{_joined(part)} {part[-1][0]:.0f} {_HEIGHT_PX}z"
        for part in parts
    )
    lines = "".join(f"M{_joined(part)}" for part in parts)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT_PX}" '
        f'preserveAspectRatio="none"><path d="{areas}" fill="{hues.accent}" fill-opacity=".1"/>'
        f'<path d="{lines}" style="{_LINE};stroke:{hues.accent}"/></svg>'
    )
    packed = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="" decoding="sync" src="data:image/svg+xml;base64,{packed}" '
        f'style="display:block;width:100%;height:{_HEIGHT_PX}px"/>'
    )


Point = tuple[float, float]


def _pieces(course: Series, top: float | None) -> list[list[Point]]:
    known = [v for v in course.mean if v is not None]
    if len(known) < 2:
        return []
    least, most = (0.0, top) if top else _axis(known)
    begin, end = course.times[0], course.times[-1]
    pieces: list[list[Point]] = [[]]
    for at, value in zip(course.times, course.mean, strict=True):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((_x(at, begin, end), _y(value, least, most)))
    return [piece for piece in pieces if piece]


def _axis(known: Sequence[float]) -> tuple[float, float]:
    """Return an axis on which noise stays small: at least a fifth of the value is its height."""
    low, high = min(known), max(known)
    room = max(high - low, abs(high) * 0.2, 1e-9)
    middle = (low + high) / 2
    return middle - room / 2, middle + room / 2


def _x(at: datetime, begin: datetime, end: datetime) -> float:
    whole = (end - begin).total_seconds()
    return _WIDTH * (at - begin).total_seconds() / whole if whole else 0.0


def _y(value: float, least: float, most: float) -> float:
    share = min(1.0, max(0.0, (value - least) / (most - least)))
    return _ROOM_PX + (_HEIGHT_PX - 2 * _ROOM_PX) * (1 - share)


def _joined(points: Sequence[Point]) -> str:
    # Tenths of a pixel at most: no screen shows more, and every tab gets it every two seconds.
    return " ".join(f"{x:.0f} {y:.1f}" for x, y in points)
