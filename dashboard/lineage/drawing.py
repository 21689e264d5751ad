"""A thread as boxes from left to right, each a link: HTML with its lines in a picture behind."""

import base64
from collections.abc import Sequence

from dashboard.charts.theme import Colours
from dashboard.lineage import address, looks
from dashboard.text import markup, shortened
from dashboard.workflows.flow import Place, placed
from services.lineage.models import Link, Node, Ref, Thread
from services.lineage.sources.registry import BASED, LOADED

ROW_PX, _BOX_PX = 72, 60
_COLUMN_PX = 156
_GAP_PX = 22
_LANE_PX = 2
"""Where lines lead over boxes: above the first row."""
_MARKED = frozenset(("bad", "broken", "from bad", "maybe from bad"))
_Pairs = list[tuple[str, str]]


def html(thread: Thread, hues: Colours) -> str:
    """Return the drawing."""
    left_out = folded(thread)
    nodes = [one for one in thread.nodes if one.ref not in left_out]
    pairs = shown([one for one in thread.links if not {one.before, one.after} & left_out])
    places = placed([one.id for one in nodes], pairs)
    columns = 1 + max((column for column, _ in places.values()), default=0)
    rows = 1 + max((row for _, row in places.values()), default=0.0)
    wide, high = columns * _COLUMN_PX, round(rows * ROW_PX)
    boxes = "".join(_box(one, places[one.id], thread.start.ref, hues) for one in nodes)
    return (
        f'<div style="overflow-x:auto"><div role="list" style="position:relative;width:{wide}px;'
        f'height:{high}px">{_lines(pairs, places, wide, high, nodes, hues)}{boxes}</div>'
        "</div>"
    )


def folded(thread: Thread) -> frozenset[Ref]:
    """Return the runs that are not drawn: those that led to no version beside one that did.

    A search trains dozens for one version, and a version is loaded by each evaluation of it. What
    is looked at, what leads to it, what is marked or gone is always drawn.
    """
    led = {one.before for one in thread.links if one.after.kind == "version"}
    busy = {one.before for one in thread.links if one.after.kind not in {"models", "version"}}
    busy |= {one.before for one in thread.links if one.after == thread.start.ref}
    made: dict[Ref, list[Ref]] = {}
    for one in thread.links:
        if one.before.kind == "workflow" and one.after.kind == "run":
            made.setdefault(one.before, []).append(one.after)
    beside = {run for runs in made.values() if led & set(runs) for run in runs}
    based = {one.after for one in thread.links if one.how == BASED}
    loaders = {one.after for one in thread.links if one.how == LOADED} - based
    nodes = [one for one in thread.nodes if one.mark is None and one.state == "there"]
    plain = {one.ref for one in nodes if not (one.under or one.perhaps)}
    tried = {one.ref for one in nodes if not one.under}
    return frozenset(((beside & plain) | (loaders & tried)) - led - busy - {thread.start.ref})


def shown(links: Sequence[Link]) -> _Pairs:
    """Return the lines that are drawn: one beside a way over a third thing is left out."""
    after: dict[Ref, set[Ref]] = {}
    for one in links:
        after.setdefault(one.before, set()).add(one.after)
    return [
        (one.before.id, one.after.id)
        for one in links
        if not any(one.after in after.get(b, ()) for b in after[one.before] - {one.after})
    ]


def _box(node: Node, place: Place, start: Ref, hues: Colours) -> str:
    column, row = place
    word = looks.word(node)
    tone = looks.tone(word, hues)
    mine = node.ref == start
    border = hues.accent if mine else tone if word in _MARKED else hues.line
    line = "dashed" if node.state == "gone" or word == "maybe from bad" else "solid"
    kind = looks.WORDS[node.ref.kind]
    told = ", ".join(filter(None, (kind, node.title, word, node.said)))
    cut = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
    below = " ".join(filter(None, (looks.sign(word), word)))
    below = f'<b style="color:{tone}">{below}</b> ' if below else ""
    said = "" if node.said == word else markup(shortened(node.said, 60))
    here = ' aria-current="true"' if mine else ""
    # The thread of an alert is wider than the page: the drawing begins at what is looked at.
    seen = "scroll-initial-target:nearest;" if mine else ""
    return (
        f'<a href="{markup(address.to(node.id))}" role="listitem" title="{markup(told, 400)}"'
        f'{here} style="{seen}position:absolute;left:{column * _COLUMN_PX}px;'
        f"top:{row * ROW_PX + (ROW_PX - _BOX_PX) / 2:g}px;width:{_COLUMN_PX - _GAP_PX}px;"
        f"height:{_BOX_PX}px;box-sizing:border-box;padding:3px 8px;overflow:hidden;"
        f"text-decoration:none;background:{hues.surface};border-radius:6px;"
        f'border:{2 if mine else 1}px {line} {border};color:{hues.text}">'
        f'<div style="font-size:10px;line-height:14px;color:{hues.muted};{cut}">{kind}</div>'
        f'<div style="font-size:13px;line-height:18px;font-weight:600;{cut}">'
        f"{markup(shortened(node.title, 60))}</div>"
        f'<div style="font-size:11px;line-height:16px;color:{hues.muted};{cut}">{below}{said}'
        "</div></a>"
    )


def _lines(
    pairs: _Pairs,
    places: dict[str, Place],
    wide: int,
    high: int,
    nodes: Sequence[Node],
    hues: Colours,
) -> str:
    if not pairs:
        return ""
    spoilt = {one.id for one in nodes if one.mark is not None or one.under}
    perhaps = {one.id for one in nodes if one.perhaps} - spoilt
    bad = {(a, b) for a, b in pairs if a in spoilt and b in spoilt}
    maybe = {(a, b) for a, b in pairs if b in perhaps and a in spoilt | perhaps}

    def path(some: set[tuple[str, str]]) -> str:
        return "".join(_line(places[a], places[b]) for a, b in pairs if (a, b) in some)

    # A picture, because the page's HTML may not hold SVG itself.
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" fill="none" '
        f'stroke-width="1.4"><path d="{path(set(pairs) - bad - maybe)}" stroke="{hues.muted}"/>'
        f'<path d="{path(bad)}" stroke="{hues.warn}" stroke-width="2.2"/>'
        f'<path d="{path(maybe)}" stroke="{hues.warn}" stroke-width="2" stroke-dasharray="5 4"/>'
        "</svg>"
    )
    packed = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="" src="data:image/svg+xml;base64,{packed}" style="position:absolute;left:0;'
        f'top:0;width:{wide}px;height:{high}px;max-width:none"/>'
    )


def _line(one: Place, other: Place) -> str:
    if other[0] - one[0] > 1:
        return _over(one, other)
    x, y = (one[0] + 1) * _COLUMN_PX - _GAP_PX, (one[1] + 0.5) * ROW_PX
    to_x, to_y = other[0] * _COLUMN_PX, (other[1] + 0.5) * ROW_PX
    half = _GAP_PX if to_x > x else 60
    return f"M{x} {y:.0f}C{x + half} {y:.0f} {to_x - half} {to_y:.0f} {to_x} {to_y:.0f}"


def _over(one: Place, other: Place) -> str:
    """Return a line that leads above all boxes: straight it would run behind some of them."""
    x, y = (one[0] + 1) * _COLUMN_PX - _GAP_PX, (one[1] + 0.5) * ROW_PX
    to_x, to_y = other[0] * _COLUMN_PX, (other[1] + 0.5) * ROW_PX
    up, down = x + _GAP_PX / 2, to_x - _GAP_PX / 2
    return (
        f"M{x} {y:.0f}Q{up:g} {y:.0f} {up:g} {y - 10:.0f}V{_LANE_PX + 8}Q{up:g} {_LANE_PX} "
        f"{up + 8:g} {_LANE_PX}H{down - 8:g}Q{down:g} {_LANE_PX} {down:g} {_LANE_PX + 8}"
        f"V{to_y - 10:.0f}Q{down:g} {to_y:.0f} {to_x} {to_y:.0f}"
    )
