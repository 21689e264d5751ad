"""The columns of a report of Evidently's as a table, each beside what the verdict says of it."""

from collections.abc import Callable, Mapping, Sequence

from dashboard.charts.theme import Colours
from dashboard.monitoring import columns, looks
from dashboard.monitoring.columns import NONE, Head, quiet
from dashboard.monitoring.looks import Look
from dashboard.text import markup
from services.monitoring.evidently_figures import Column
from services.monitoring.models import ColumnVerdict

_METHODS = {
    "wasserstein": ("Wasserstein", "standard deviations"),
    "jensenshannon": ("Jensen–Shannon", "distance, 0 to 0.83"),
}
_DRIFTED = Look("moving", "▲", "orange", "drifted")
_CALM = Look("check_circle", "✓", "green", "not drifted")
_FAILED = Look("error", "✕", "red", "failed")
_HEADS: Sequence[Head] = (
    ("Column", "left", ""),
    ("Method", "left", "What Evidently measures by; below, in what unit."),
    ("Score", "left", "How far it moved, as Evidently says; the mark is its threshold."),
    ("Threshold", "right", "From where on Evidently calls it drifted."),
    ("Evidently", "left", ""),
    ("The verdict", "left", "What ours says of it, and how far it moved by that."),
    ("Values then, now", "right", "How many values Evidently read of both."),
)
_NAME = "padding-left:8px;min-width:88px;max-width:220px;overflow-wrap:anywhere;"


def html(
    found: Sequence[Column],
    ours: Mapping[str, ColumnVerdict],
    href: Callable[[Column], str],
    hues: Colours,
) -> str:
    """Return the table.

    Args:
        found: What Evidently found.
        ours: The verdict's columns by name.
        href: Gives the address that shows the verdict's column.
        hues: Of the page.
    """
    end = columns.reach((one.value, one.threshold) for one in found)
    body = "".join(_row(one, ours.get(one.own), href(one), hues, end) for one in found)
    return columns.frame(_HEADS, body, "Evidently", hues)


def _row(one: Column, verdict: ColumnVerdict | None, href: str, hues: Colours, end: float) -> str:
    name = f'<span style="font-weight:600">{markup(one.name, 60)}</span>'
    if verdict is not None:
        name = f'<a href="{markup(href)}" style="text-decoration:none;color:{hues.text}">{name}</a>'
    method, unit = _METHODS.get(one.method, (one.method, ""))
    threshold = NONE if one.threshold is None else f"{one.threshold:g}"
    cells = (
        ("left", _NAME, name),
        ("left", "", f"{markup(method, 40) or NONE}<br>{quiet(unit, hues)}"),
        ("left", "", _score(one, hues, end)),
        ("right", "", threshold),
        ("left", "", _state(_look(one), "", hues)),
        ("left", "", _verdict(verdict, hues)),
        ("right", "white-space:nowrap;", f"{one.n_reference:,}<br>{one.n_current:,}"),
    )
    return columns.row(cells, hues)


def _look(one: Column) -> Look:
    if one.failed or one.drifted is None:
        return _FAILED
    return _DRIFTED if one.drifted else _CALM


def _score(one: Column, hues: Colours, end: float) -> str:
    """Return the score as a bar; of a column that failed the sentence that says why."""
    if one.value is None or not one.threshold:
        why = markup(one.failed, 300) or NONE
        return f'<div style="min-width:150px;overflow-wrap:anywhere">{why}</div>'
    tone = looks.hue(_DRIFTED, hues) if one.drifted else hues.muted
    said = f"{one.value:.2f}"
    return columns.bar(one.value / one.threshold, said, f"{one.threshold:g}", tone, hues, end)


def _verdict(verdict: ColumnVerdict | None, hues: Colours) -> str:
    if verdict is None:
        return quiet("not compared", hues)
    shown = _state(looks.column(verdict.state), verdict.said, hues)
    if verdict.effect is None:
        return shown
    measure = columns.short(verdict.measure)
    below = quiet(f"{columns.effect(verdict)} {measure}", hues)
    return f'{shown}<br><span title="{markup(verdict.measure)}">{below}</span>'


def _state(shown: Look, why: str, hues: Colours) -> str:
    return (
        f'<span title="{markup(why, 400)}" style="color:{looks.hue(shown, hues)};font-weight:600;'
        f'white-space:nowrap">{shown.sign} {shown.word}</span>'
    )
