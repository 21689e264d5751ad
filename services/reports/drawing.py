"""Charts of a report as SVG: bars from zero, or a line between the least and the greatest."""

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from services.reports.models import Chart
from services.reports.units import told

_LEFT, _FOOT, _HEAD = 62, 18, 12


@dataclass(frozen=True, slots=True)
class _Size:
    wide: int
    high: int
    most_days: int
    """So many days have a name below."""


_LARGE, _SMALL = _Size(960, 150, 12), _Size(330, 110, 3)


def chart(one: Chart) -> str:
    """Return a chart over the whole width, with its title and its source."""
    source = f'<div class="source">From {html.escape(one.source)}</div>'
    return f"<h3>{html.escape(one.title)}</h3>{_drawn(one, _LARGE)}{source}"


def small(one: Chart) -> str:
    """Return a chart that stands beside others, with its title and its source."""
    source = f'<div class="source">From {html.escape(one.source)}</div>'
    return f"<figure><h3>{html.escape(one.title)}</h3>{_drawn(one, _SMALL)}{source}</figure>"


def _drawn(one: Chart, size: _Size) -> str:
    known = [value for value in one.values if value is not None]
    if not known:
        return '<p class="muted">Nothing is known of any day.</p>'
    if not one.line and not max(known):
        return '<p class="muted">Nothing on any day.</p>'
    return "".join(_svg(one, size, _ends(one, known)))


def _ends(one: Chart, known: Sequence[float]) -> tuple[float, float]:
    """Return the values at foot and head."""
    if not one.line:
        return 0.0, max(known)
    low, high = min(known), max(known)
    # All days alike: a line in the middle, not one at the foot.
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1) / 2)


def _svg(one: Chart, size: _Size, ends: tuple[float, float]) -> Iterator[str]:
    low, high = ends
    step = (size.wide - _LEFT) / len(one.days)
    floor, room = size.high - _FOOT, size.high - _FOOT - _HEAD

    def at(value: float) -> float:
        return floor - room * (value - low) / (high - low)

    said = ", ".join(
        f"{day:%d %b} {told(value, one.unit)}"
        for day, value in zip(one.days, one.values, strict=True)
        if value or (one.line and value is not None)
    )
    label = html.escape(f"{one.title}: {said}", quote=True)
    yield f'<svg viewBox="0 0 {size.wide} {size.high}" role="img" aria-label="{label}">'
    yield (
        f'<line x1="{_LEFT}" x2="{size.wide}" y1="{floor}" y2="{floor}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 6}" y="{_HEAD + 4}" text-anchor="end">'
        f"{html.escape(told(high, one.unit))}</text>"
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">{html.escape(told(low, one.unit))}'
        "</text>"
    )
    yield from (_line if one.line else _bars)(one, step, floor, at)
    yield from _names(one.days, step, size)
    yield "</svg>"


_At = Callable[[float], float]


def _bars(one: Chart, step: float, floor: float, at: _At) -> Iterator[str]:
    for place, (day, value) in enumerate(zip(one.days, one.values, strict=True)):
        if value:
            top = at(value)
            yield (
                f'<rect x="{_LEFT + place * step + step * 0.12:.1f}" y="{top:.1f}" '
                f'width="{step * 0.76:.1f}" height="{floor - top:.1f}" fill="var(--bar)">'
                f"<title>{_said(one, day, value)}</title></rect>"
            )


def _line(one: Chart, step: float, floor: float, at: _At) -> Iterator[str]:
    """Yield a line that ends where a day is not known, and a dot a day."""
    del floor
    run: list[str] = []
    for place, (day, value) in enumerate(zip(one.days, one.values, strict=True)):
        if value is None:
            yield _path(run)
            run = []
            continue
        x, y = f"{_LEFT + (place + 0.5) * step:.1f}", f"{at(value):.1f}"
        run.append(f"{x},{y}")
        yield (
            f'<circle cx="{x}" cy="{y}" r="2.5" fill="var(--bar)">'
            f"<title>{_said(one, day, value)}</title></circle>"
        )
    yield _path(run)


def _path(run: Sequence[str]) -> str:
    if len(run) < 2:
        return ""
    return (
        f'<polyline points="{" ".join(run)}" fill="none" stroke="var(--bar)" stroke-width="1.5"/>'
    )


def _said(one: Chart, day: date, value: float) -> str:
    return f"{day:%Y-%m-%d}: {html.escape(told(value, one.unit))}"


def _names(days: Sequence[date], step: float, size: _Size) -> Iterator[str]:
    every = max(1, -(-len(days) // size.most_days))
    for place in range(0, len(days), every):
        x = _LEFT + (place + 0.5) * step
        yield (
            f'<text x="{x:.1f}" y="{size.high - 4}" text-anchor="middle">{days[place]:%d %b}</text>'
        )
