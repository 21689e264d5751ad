"""A flow as boxes from left to right: tasks of a workflow, workflows that set each other off.

HTML with its lines in a picture behind: it grows with the window, its boxes are links, and it is
read by who does not see it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.charts.theme import Colours
from dashboard.text import markup, shortened
from dashboard.workflows import states

ROW_PX, _BOX_PX = 52, 40
_LEAST_PX, _MOST_PX = 104, 230
_EDGE = 0.07
"""Of a column's width, on each side of its box."""
_SWEEPS = 3

Place = tuple[int, float]
"""Column and row."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box."""

    key: str
    label: str
    below: str = ""
    state: str = ""
    """Of a task or a run; empty: it has none."""
    href: str = ""
    why: str = ""
    round: bool = False
    """An asset, not something that runs."""
    marked: bool = False
    """It is what the page is about."""


Edges = Sequence[tuple[str, str]]


def html(nodes: Sequence[Node], edges: Edges, hues: Colours) -> str:
    """Return the drawing."""
    places = placed([node.key for node in nodes], edges)
    columns = 1 + max((column for column, _ in places.values()), default=0)
    rows = 1 + max((row for _, row in places.values()), default=0.0)
    height = round(rows * ROW_PX)
    followed = {after for before, after in edges if before in places and after in places}
    boxes = "".join(
        _box(node, places[node.key], columns, hues, arrow=node.key in followed) for node in nodes
    )
    return (
        f'<div style="overflow-x:auto"><div role="list" style="position:relative;height:{height}px;'
        f'min-width:{columns * _LEAST_PX}px;max-width:{columns * _MOST_PX}px">'
        f"{_lines(edges, places, columns, height, hues)}{boxes}</div></div>"
    )


def placed(keys: Sequence[str], edges: Edges) -> dict[str, Place]:
    """Return where each box is: right of all it follows, near to them, the column centred."""
    after: dict[str, list[str]] = {key: [] for key in keys}
    before: dict[str, list[str]] = {key: [] for key in keys}
    for one, other in edges:
        if one in after and other in after and one != other:
            after[one].append(other)
            before[other].append(one)
    column = _columns(keys, before, after)
    layers: dict[int, list[str]] = {}
    for key in keys:
        layers.setdefault(column[key], []).append(key)
    order = {key: float(n) for layer in layers.values() for n, key in enumerate(layer)}
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        for number in sorted(layers, reverse=sweep % 2 == 1):
            layers[number].sort(key=lambda key: _near(key, near, order))
            order |= {key: float(n) for n, key in enumerate(layers[number])}
    most = max((len(layer) for layer in layers.values()), default=0)
    return {
        key: (number, n + (most - len(layer)) / 2)
        for number, layer in layers.items()
        for n, key in enumerate(layer)
    }


def _columns(
    keys: Sequence[str], before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> dict[str, int]:
    """Return the longest way to each box; what is in a circle stays where it was first met."""
    column = dict.fromkeys(keys, 0)
    left = {key: len(before[key]) for key in keys}
    ready = [key for key in keys if not left[key]]
    while ready:
        key = ready.pop(0)
        for other in after[key]:
            column[other] = max(column[other], column[key] + 1)
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    return column


def _near(key: str, near: Mapping[str, list[str]], order: Mapping[str, float]) -> float:
    beside = [order[other] for other in near[key]]
    return sum(beside) / len(beside) if beside else order[key]


def _box(node: Node, place: Place, columns: int, hues: Colours, *, arrow: bool) -> str:
    column, row = place
    left, width = 100 * (column + _EDGE) / columns, 100 * (1 - 2 * _EDGE) / columns
    top = row * ROW_PX + (ROW_PX - _BOX_PX) / 2
    tone = states.tone(node.state, hues) if node.state else hues.line
    border = hues.accent if node.marked else hues.line
    side = f"border-left:4px solid {tone}" if node.state else ""
    head = (
        f'<div style="position:absolute;left:{left:.2f}%;width:{width:.2f}%;top:{top:g}px;'
        f'height:{_BOX_PX}px" role="listitem" title="{markup(node.why or node.label, 300)}">'
    )
    if arrow:
        head += (
            f'<span aria-hidden="true" style="position:absolute;left:-9px;top:{_BOX_PX / 2 - 8:g}px'
            f';font-size:11px;line-height:16px;color:{hues.muted}">▶</span>'
        )
    inner = (
        f'<div style="box-sizing:border-box;height:100%;padding:2px 8px;overflow:hidden;'
        f"background:{hues.surface};border:{2 if node.marked else 1}px solid {border};{side};"
        f'border-radius:{20 if node.round else 6}px">{_words(node, tone, hues)}</div>'
    )
    if node.href:
        inner = (
            f'<a href="{markup(node.href)}" style="text-decoration:none;color:inherit">{inner}</a>'
        )
    return f"{head}{inner}</div>"


def _words(node: Node, tone: str, hues: Colours) -> str:
    cut = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
    middle = ";text-align:center" if node.round else ""
    colour = tone if node.state else hues.muted
    sign = f"{states.shape(node.state)} " if node.state else ""
    below = (
        f'<div style="font-size:11px;line-height:14px;color:{colour};{cut}{middle}">{sign}'
        f"{markup(node.below, 60)}</div>"
        if node.below or sign
        else ""
    )
    line = 18 if below else _BOX_PX - 6
    return (
        f'<div style="font-size:13px;line-height:{line}px;font-weight:600;color:{hues.text};{cut}'
        f'{middle}">{markup(shortened(node.label, 60))}</div>{below}'
    )


def _lines(
    edges: Edges, places: Mapping[str, Place], columns: int, height: int, hues: Colours
) -> str:
    paths = "".join(
        _line(places[one], places[other])
        for one, other in edges
        if one in places and other in places and one != other
    )
    if not paths:
        return ""
    # A picture, because the page's HTML may not hold SVG itself; it is stretched, its lines not.
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * 100} {height}" '
        f'preserveAspectRatio="none"><path d="{paths}" style="fill:none;stroke:{hues.muted};'
        f'stroke-width:1.4;vector-effect:non-scaling-stroke"/></svg>'
    )
    packed = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="" src="data:image/svg+xml;base64,{packed}" style="position:absolute;left:0;'
        f'top:0;width:100%;height:{height}px;max-width:none"/>'
    )


def _line(one: Place, other: Place) -> str:
    x, y = 100 * (one[0] + 1 - _EDGE), (one[1] + 0.5) * ROW_PX
    to_x, to_y = 100 * (other[0] + _EDGE), (other[1] + 0.5) * ROW_PX
    half = 100 * _EDGE if to_x > x else 60
    curve = f"C{x + half:.0f} {y:.0f} {to_x - half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    return f"M{x:.0f} {y:.0f}{curve}"
