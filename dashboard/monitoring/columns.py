"""The columns of a verdict as a table: what moved, how far, on how much, how much it matters."""

from collections.abc import Callable, Iterable, Sequence

from dashboard.charts.theme import Colours
from dashboard.monitoring import looks, spread
from dashboard.numbers import percent
from dashboard.text import markup
from services.monitoring.distances import NORMED_WASSERSTEIN
from services.monitoring.models import ColumnVerdict, is_moved
from services.monitoring.wording import title

Head = tuple[str, str, str]
"""Of a column of the table: its head, on which side its text is, what it is about."""
NONE = "–"
_SCALE = 4.0
"""Thresholds that an effect's bar has room for at least."""
_BAR_PX = 92
_KINDS = {
    "numeric": "figures",
    "category": "categories",
    "text": "text",
    "embedding": "of a vector",
    "vector": "vector as a whole",
    "picture": "picture as a whole",
}
_HEADS: Sequence[Head] = (
    ("Column", "left", ""),
    ("Then and now", "left", "How its values were spread in the baseline (grey), and are now."),
    ("State", "left", ""),
    ("How far it moved", "left", "The effect; the mark is from where on it counts."),
    ("p", "right", "Whether it can be chance, corrected for the number of columns and of looks."),
    ("Values then, now", "right", "How many values both have."),
    ("Importance", "right",
     "How much of the answer goes with it in the baseline. It tells of no cause."),
)  # fmt: skip


def html(
    found: Sequence[ColumnVerdict], chosen: str, href: Callable[[str], str], hues: Colours
) -> str:
    """Return the table; ``href`` gives the address that shows a column."""
    end = scale(found)
    body = "".join(_row(one, one.name == chosen, href(one.name), hues, end) for one in found)
    return frame(_HEADS, body, "Columns", hues)


def frame(heads: Sequence[Head], body: str, label: str, hues: Colours) -> str:
    """Return rows as a table, which scrolls where the page is narrower."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    drawn = "".join(
        f'<th scope="col" title="{about}" style="text-align:{side};font-weight:500;font-size:12px;'
        f'color:{hues.muted};padding:2px 14px 4px 0;vertical-align:bottom;{edge}">{said}</th>'
        for said, side, about in heads
    )
    return (
        f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="{label}">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;'
        'font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{drawn}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def scale(found: Sequence[ColumnVerdict]) -> float:
    """Return the end of the effects' axis, in thresholds: the same for all rows."""
    return reach((one.effect, one.threshold) for one in found)


def reach(found: Iterable[tuple[float | None, float | None]]) -> float:
    """Return the end of an axis of values with their thresholds, in thresholds."""
    known = [value / threshold for value, threshold in found if value is not None and threshold]
    return max(_SCALE, *known) if known else _SCALE


def p_value(value: float | None) -> str:
    """Return a p-value for a cell."""
    if value is None:
        return NONE
    return "&lt; 0.0001" if value < 0.0001 else f"{value:.4f}"


def effect(column: ColumnVerdict) -> str:
    """Return how far a column moved, with what it was measured by."""
    if column.effect is None:
        return NONE
    if column.measure.startswith("share of"):
        return percent(column.effect)
    return f"{column.effect:.2f}"


def short(measure: str) -> str:
    """Return what an effect is measured by, for a cell."""
    return measure.replace(NORMED_WASSERSTEIN, "standard deviations")


def _row(column: ColumnVerdict, chosen: bool, href: str, hues: Colours, end: float) -> str:  # noqa: FBT001  a row is or is not
    shown = looks.column(column.state)
    tone = looks.hue(shown, hues)
    name = title(column.name)
    said = markup(column.said, 400)
    mark = f"box-shadow:inset 3px 0 {hues.accent};" if chosen else ""
    here = ' aria-current="true"' if chosen else ""
    cells = (
        ("left", f"{mark}padding-left:8px;min-width:88px;max-width:240px;overflow-wrap:anywhere;",
         f'<a href="{markup(href)}"{here} style="text-decoration:none;color:{hues.text};'
         f'font-weight:600">{markup(name, 60)}</a><br>{quiet(_KINDS[column.kind], hues)}'),
        ("left", "", spread.small(column, hues, f"How {markup(name, 60)} was spread, and is now")
         or quiet(NONE, hues)),
        ("left", "", f'<span title="{said}" style="color:{tone};font-weight:600;'
         f'white-space:nowrap">{shown.sign} {shown.word}</span>'),
        ("left", "", _effect(column, hues, end)),
        ("right", "white-space:nowrap;", p_value(column.p_value)),
        ("right", "white-space:nowrap;", f"{column.n_reference:,}<br>{column.n_current:,}"),
        ("right", "white-space:nowrap;", _importance(column)),
    )  # fmt: skip
    return row(cells, hues)


def row(cells: Iterable[tuple[str, str, str]], hues: Colours) -> str:
    """Return a row of cells: on which side its text is, more of its style, its HTML."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    return "<tr>" + "".join(
        f'<td style="padding:6px 14px 6px 0;vertical-align:top;text-align:{side};{edge};{more}">'
        f"{inner}</td>"
        for side, more, inner in cells
    ) + "</tr>"  # fmt: skip


def _importance(column: ColumnVerdict) -> str:
    return NONE if column.importance is None else percent(column.importance, 1)


def _effect(column: ColumnVerdict, hues: Colours, end: float) -> str:
    """Return the effect as a bar, with what it was measured by."""
    if column.effect is None or not column.threshold:
        return quiet(NONE, hues)
    tone = looks.hue(looks.column(column.state), hues) if is_moved(column.state) else hues.muted
    far = column.effect / column.threshold
    return (
        f"{bar(far, effect(column), f'{column.threshold:g}', tone, hues, end)}"
        f'<span title="{markup(column.measure)}">{quiet(short(column.measure), hues)}</span>'
    )


def bar(far: float, said: str, threshold: str, tone: str, hues: Colours, end: float) -> str:
    """Return a value as a bar with its threshold as a mark in it.

    Args:
        far: The value in thresholds.
        said: The value as text.
        threshold: The threshold as text.
        tone: The bar's colour.
        hues: Of the page.
        end: Of the axis, in thresholds.
    """
    wide = min(1.0, far / end) * _BAR_PX
    mark = _BAR_PX / end
    return (
        f'<div style="display:flex;align-items:center;gap:8px">'
        f'<div role="img" aria-label="{said} of {threshold}" style="width:'
        f"{_BAR_PX}px;height:10px;flex:none;background:"
        f"linear-gradient({hues.text},{hues.text}) {mark:.1f}px 0/2px 10px no-repeat,"
        f"linear-gradient({tone},{tone}) 0 50%/{wide:.1f}px 6px no-repeat,"
        f'linear-gradient({hues.line},{hues.line}) 0 50%/100% 6px no-repeat"></div>'
        f'<span style="white-space:nowrap">{said}</span></div>'
    )


def quiet(text: str, hues: Colours) -> str:
    """Return what is beside the point, small and grey."""
    return f'<span style="color:{hues.muted};font-size:12px">{markup(text, 80)}</span>'
