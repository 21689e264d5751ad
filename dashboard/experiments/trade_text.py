"""Trade-offs in words: who is on the front, what each step costs, who is left out; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from dashboard.experiments.cost_text import TITLES, spread_text, unit_of
from dashboard.experiments.units import change
from dashboard.hardware.readings import ESTIMATED
from dashboard.numbers import counted, number
from services.mirror.projects import Goal
from services.telemetry.economics import Axis, Spread
from services.telemetry.trades import Point, Trade

ON_FRONT = "on the front"


def title_of(axis: Axis, trade: Trade) -> str:
    """Return what an axis measures: the metric's own name for quality."""
    return trade.metric if axis == "quality" else TITLES[axis]


def goal_of(axis: Axis, trade: Trade) -> Goal:
    """Return which way an axis is better."""
    return trade.goal if axis == "quality" else "min"


def axis_title(axis: Axis, trade: Trade, unit: str) -> str:
    """Return an axis title: what, in which unit, and which way is better."""
    way = "more is better" if goal_of(axis, trade) == "max" else "less is better"
    said = f"{title_of(axis, trade)}, {way}"
    return f"{said} [{unit}]" if unit else said


def figure_of(point: Point, axis: Axis, trade: Trade) -> str:
    """Return a point's figure on one of the two axes with its spread."""
    spread = point.x if axis == trade.x else point.y
    told = spread_text(axis, spread, spread.runs, trade.metric)
    return f"{ESTIMATED} {told}" if axis == "joules" and point.energy == "estimated" else told


def _median_of(point: Point, axis: Axis, trade: Trade) -> str:
    bare = [replace(spread, low=None, high=None) for spread in (point.x, point.y)]
    return figure_of(replace(point, x=bare[0], y=bare[1]), axis, trade)


def standing(point: Point) -> str:
    """Return where a point stands."""
    if point.front:
        return ON_FRONT
    shown = ", ".join(f"“{name}”" for name in point.beaten_by[:2])
    more = f" and {len(point.beaten_by) - 2} more" if len(point.beaten_by) > 2 else ""
    return f"beaten by {shown}{more}"


def steps(trade: Trade) -> Mapping[str, str]:
    """Return what each technique of the front gives and takes against the one before it."""
    front = trade.front
    told = {front[0].technique: "the least of the front"} if front else {}
    for before, after in pairwise(front):
        told[after.technique] = _step(before, after, trade)
    return told


def _step(before: Point, after: Point, trade: Trade) -> str:
    y0, y1, x0, x1 = (one or 0.0 for one in _medians(before, after))
    if (x0, y0) == (x1, y1):
        return f"the same as “{before.technique}”"
    per, unit = unit_of(trade.x, [x1 - x0])
    times = f" ({number(x1 / x0, 3)}×)" if x0 > 0 else ""
    more = f"{number((x1 - x0) / per, 3)} {unit}".strip()
    within = " (within spread)" if _overlap(before.y, after.y) else ""
    return f"{_change(y1 - y0, trade)} for {more} more{times}{within}"


def _overlap(one: Spread, other: Spread) -> bool:
    """Return whether the middles of two lie over each other: their difference may be chance."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _medians(before: Point, after: Point) -> tuple[float | None, ...]:
    return before.y.median, after.y.median, before.x.median, after.x.median


def _change(value: float, trade: Trade) -> str:
    if trade.y == "quality":
        return change(trade.metric, value, trade.goal)
    per, unit = unit_of(trade.y, [value])
    sign = "+" if value > 0 else "−"
    return f"{sign}{number(abs(value) / per, 3)} {unit}".strip()


def lead(trade: Trade) -> str:
    """Return the front in a sentence."""
    front = trade.front
    axes = f"{title_of(trade.y, trade)} and {title_of(trade.x, trade)}"
    if len(trade.points) == 1:
        return f"“{front[0].technique}” is the only technique with both {axes}: nothing to weigh."
    named = ", ".join(
        f"“{p.technique}” ({_median_of(p, trade.y, trade)} at {_median_of(p, trade.x, trade)})"
        for p in front[:4]
    )
    more = f" and {len(front) - 4} more" if len(front) > 4 else ""
    if len(front) == 1:
        return f"{named} beats every other technique in {axes}."
    beaten = len(trade.points) - len(front)
    rest = f"; {counted(beaten, 'other is', 'others are')} beaten" if beaten else ""
    return f"Nothing beats {named}{more} in both {axes}{rest}."


def left_out(trade: Trade) -> tuple[str, ...]:
    """Return which runs are in no point, and why."""
    found: dict[Axis, list[tuple[str, int]]] = {}
    for axis, reason, runs in trade.left_out:
        found.setdefault(axis, []).append((reason.rstrip("."), runs))
    told = []
    for axis, reasons in found.items():
        runs = sum(count for _, count in reasons)
        have = "has" if runs == 1 else "have"
        why = reasons[0][0] if len(reasons) == 1 else _each(reasons)
        told.append(f"{counted(runs, 'run')} {have} no {title_of(axis, trade)}: {why}.")
    if trade.unnamed:
        have = "names" if trade.unnamed == 1 else "name"
        told.append(f"{counted(trade.unnamed, 'finished run')} {have} no technique.")
    return tuple(told)


def _each(reasons: Sequence[tuple[str, int]], most: int = 3) -> str:
    shown = "; ".join(f"{reason} ({runs:,})" for reason, runs in reasons[:most])
    rest = sum(runs for _, runs in reasons[most:])
    return f"{shown}; other reasons ({rest:,})" if rest else shown


def across(trades: Sequence[Trade], titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return how often each technique that several projects tried is on the front, best first."""
    met: dict[str, list[tuple[str, bool]]] = {}
    for trade in trades:
        for point in trade.points:
            title = titles.get(trade.project, trade.project)
            met.setdefault(point.technique, []).append((title, point.front))
    shared = [(name, seen) for name, seen in met.items() if len(seen) > 1]
    shared.sort(key=lambda one: (-sum(front for _, front in one[1]) / len(one[1]), one[0]))
    told = []
    for name, seen in shared:
        where = [title for title, front in seen if front]
        named = f" ({', '.join(where[:5])}{', …' if len(where) > 5 else ''})" if where else ""
        count = f"{len(where)} of {len(seen)}" if where else f"none of {len(seen)}"
        told.append(f"“{name}” is on the front in {count} projects{named}.")
    return tuple(told)
