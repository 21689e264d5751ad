"""What differs between runs, as tables: one row a name, one column a run, the base first marked."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd
import streamlit as st

from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.experiments.comparison import Comparison, Line, MetricLine, Verdict
from dashboard.experiments.run_head import name_of
from dashboard.experiments.units import change, figure
from dashboard.numbers import counted
from dashboard.text import shortened
from services.mirror.models import Run

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_MOST = 200
_ROW_PX = 35
_CELL = 120
MARKS: dict[Verdict, str] = {"better": "✓", "worse": "✕", "same": "=", "incomparable": ""}
"""Said beside the colour: better or worse than the base, by the goal of the metric."""


def labels(runs: Sequence[Run], base: int) -> list[str]:
    """Return a heading for each run, different even when names are alike."""
    names = [shortened(name_of(run), 28) for run in runs]
    told = []
    for place, (run, name) in enumerate(zip(runs, names, strict=True)):
        twin = names.count(name) > 1
        mark = " · base" if place == base else ""
        told.append(f"{name}{f' · {run.run_id[:6]}' if twin else ''}{mark}")
    # Ids that begin alike are told apart by place.
    return [f"{t} ({i + 1})" if told.count(t) > 1 else t for i, t in enumerate(told)]


def metrics(comparison: Comparison, runs: Sequence[Run], *, only_differences: bool) -> None:
    """Draw the metrics with the difference to the base, coloured by the goal."""
    lines = [line for line in comparison.metrics if line.differs or not only_differences]
    if not lines:
        _nothing("metric", only_differences=only_differences)
        return
    lines = _searched(lines, "metric")
    heads = labels(runs, comparison.base)
    rows = [
        {"metric": f"{line.name} {'↑' if line.goal == 'max' else '↓'}"}
        | {head: _metric_cell(line, place) for place, head in enumerate(heads)}
        for line in lines[:_MOST]
    ]
    if not rows:
        return
    frame = pd.DataFrame(rows, columns=["metric", *heads])
    hues = colours()
    colour = {"better": f"color: {hues.good}", "worse": f"color: {hues.bad}"}
    styles = pd.DataFrame(
        [
            ["", *(_style(line, place, colour) for place in range(len(heads)))]
            for line in lines[:_MOST]
        ],
        columns=frame.columns,
    )
    _draw(frame, heads, "metric", styles, key="cmp-metrics")
    st.caption(
        "↑ higher is better, ↓ lower is better: as the project declares it for its primary metric, "
        "by the name of the metric for the others. ✓ better and ✕ worse than the base, ★ best."
        f"{_UNFINITE if any(map(_odd, lines[:_MOST])) else ''}"
    )
    _cut(len(lines))


def lines(found: Sequence[Line], noun: str, runs: Sequence[Run], base: int, *, only: bool) -> None:
    """Draw names and values; rows that differ are marked when all are shown."""
    shown = [line for line in found if line.differs or not only]
    if not shown:
        _nothing(noun, only_differences=only)
        return
    shown = _searched(shown, noun)
    heads = labels(runs, base)
    rows = [
        {noun: f"{'≠ ' if line.differs and not only else ''}{line.name}"}
        | {
            h: shortened(v, _CELL) if v is not None else ""
            for h, v in zip(heads, line.values, strict=True)
        }
        for line in shown[:_MOST]
    ]
    if rows:
        _draw(pd.DataFrame(rows, columns=[noun, *heads]), heads, noun, None, key=f"cmp-{noun}")
        _cut(len(shown))


_UNFINITE = " NaN and infinite values have no difference to the base and are never best."


def _odd(line: MetricLine) -> bool:
    return any(value is not None and not math.isfinite(value) for value in line.values)


def _metric_cell(line: MetricLine, place: int) -> str:
    value = line.values[place]
    if value is None:
        return ""
    text = figure(line.name, value)
    if line.best() == place:
        text += " ★"
    difference = line.deltas[place]
    if difference is None:
        return text
    told = change(line.name, difference, line.goal)
    return f"{text}  {MARKS[line.verdict(place)]} {told}".rstrip()


def _style(line: MetricLine, place: int, colour: dict[str, str]) -> str:
    if place >= len(line.deltas) or line.deltas[place] is None:
        return ""
    return colour.get(line.verdict(place), "")


def _draw(
    frame: pd.DataFrame, heads: list[str], noun: str, styles: pd.DataFrame | None, *, key: str
) -> None:
    data = frame if styles is None else frame.style.apply(lambda _: styles, axis=None)
    config: dict[str, ColumnConfig | str | None] = {
        noun: st.column_config.TextColumn(noun, pinned=True, width="medium")
    }
    alignment: Literal["left", "right"] = "right" if noun == "metric" else "left"
    for head in heads:
        config[head] = st.column_config.TextColumn(head, width=170, alignment=alignment)
    st.dataframe(
        data,
        column_config=config,
        hide_index=True,
        height=_ROW_PX * (min(len(frame), 16) + 1) + 2,
        row_height=_ROW_PX,
        placeholder="",
        key=key,
        alt=f"{len(frame)} rows: each {noun} in {len(heads)} runs",
    )


def _searched(found: Sequence[MetricLine] | Sequence[Line], noun: str) -> list:  # type: ignore[type-arg]  # as given
    if len(found) <= _MOST:
        return list(found)
    text = st.text_input(
        f"Find one of {counted(len(found), noun)}",
        key=f"cmp-find-{noun}",
        type="search",
        live="200ms",
    )
    words = text.casefold().split()
    hits = [line for line in found if all(word in line.name.casefold() for word in words)]
    if not hits:
        st.caption("Nothing has that name.")
    return hits


def _nothing(noun: str, *, only_differences: bool) -> None:
    if only_differences:
        notices.empty(
            "No difference",
            f"These runs are alike in every {noun}. Turn off “Differences only” to see them.",
            icon="equal",
        )
    else:
        st.caption(f"None of these runs has a {noun}.")


def _cut(size: int) -> None:
    if size > _MOST:
        st.caption(f"The first {_MOST} of {size:,} are shown: search to see others.")
