"""The table of one page of runs: sorted by the server, its chosen rows kept in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.experiments import address
from dashboard.experiments.cells import STATUS_WORDS, cell, heading, is_number
from dashboard.experiments.columns import FIXED
from dashboard.experiments.view import MAX_SELECTED, View
from dashboard.text import plain
from services.mirror.filters import split_field
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import Run

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ButtonColumnResult, ColumnConfig

    _Column = ColumnConfig | ButtonColumnResult | str | None

KEY = "experiments:table"
PEEK = "experiments:peek"
"""Run id the drawer shows."""
_OPEN = "experiments:open"
_CURVE = "curve"
_ROW_PX = 35
_ROWS_SHOWN = 17
_WIDTHS = {
    "status": 112,
    "name": 190,
    "project": 170,
    "technique": 120,
    MAIN_METRIC: 180,
    "duration_s": 100,
    "started_at": 100,
    "run_id": 270,
}


@dataclass(frozen=True, slots=True)
class Sparklines:
    """The small curves of the rows, and what the heading says they are."""

    values: Mapping[str, Sequence[float]]
    title: str
    help: str


def draw(
    rows: Sequence[Run],
    view: View,
    columns: Sequence[str],
    curves: Sparklines | None,
    primaries: Mapping[str, str],
) -> None:
    """Draw the rows. A click on a heading sorts, on a name opens, on a box chooses."""
    shown = ["name", "status", *(name for name in columns if name not in FIXED)]
    zone = state.zone()
    cells: dict[str, list[object]] = {
        name: [_value(run, name, primaries, zone) for run in rows] for name in shown
    }
    config: dict[str, _Column] = {name: _column(name, view) for name in shown}
    order = list(shown)
    if curves is not None:
        cells[_CURVE] = [list(curves.values.get(run.run_id, ())) or None for run in rows]
        config[_CURVE] = st.column_config.LineChartColumn(curves.title, width=130, help=curves.help)
        order.insert(_after_metrics(shown), _CURVE)
    ids = tuple(run.run_id for run in rows)
    chosen = frozenset(view.selected)
    st.session_state[KEY] = {
        "selection": {
            "rows": [place for place, run_id in enumerate(ids) if run_id in chosen],
            "columns": [],
            "cells": [],
        }
    }
    st.session_state["experiments:ids"] = ids
    st.dataframe(
        pd.DataFrame(cells, columns=order),
        column_config=config,
        hide_index=True,
        height=_ROW_PX * (min(len(rows), _ROWS_SHOWN) + 1) + 2,
        row_height=_ROW_PX,
        placeholder="",
        key=KEY,
        on_select=_clicked,
        selection_mode=["multi-row", "single-column"],
        alt=f"{len(rows)} runs with their state, metrics and parameters",
    )


def _after_metrics(shown: Sequence[str]) -> int:
    """Return where the curve stands: behind the first metric, where the eye is."""
    places = [
        p for p, name in enumerate(shown) if name == MAIN_METRIC or name.startswith("metrics.")
    ]
    return places[0] + 1 if places else len(shown)


def name_of(field: str) -> str:
    """Return a column's name without its arrow."""
    return heading(field, "", descending=False)


def _value(run: Run, name: str, primaries: Mapping[str, str], zone: object) -> object:
    text = cell(run, name, primaries, zone)  # type: ignore[arg-type]
    return [text] if name == "status" else text


def _column(name: str, view: View) -> "_Column":
    title = heading(name, view.sort, descending=view.descending)
    width = _WIDTHS.get(name, 110)
    if name == "name":
        return st.column_config.ButtonColumn(
            title,
            width=width,
            pinned=True,
            type="tertiary",
            alignment="left",
            key=_OPEN,
            on_click=_open,
        )
    if name == "status":
        words, colours = zip(*STATUS_WORDS.values(), strict=True)
        return st.column_config.MultiselectColumn(
            title, width=width, options=list(words), color=list(colours)
        )
    group, _ = split_field(name)
    return st.column_config.TextColumn(
        title,
        width=width,
        alignment="right" if is_number(name) else "left",
        help=plain(name) if group else None,
    )


def _open() -> None:
    click = st.session_state[_OPEN]
    ids = st.session_state["experiments:ids"]
    if click is not None and click["row"] < len(ids):
        st.session_state[PEEK] = ids[click["row"]]


def _clicked() -> None:
    selection = st.session_state[KEY]["selection"]
    view, _ = address.current()
    ids = st.session_state["experiments:ids"]
    address.show_below(after_click(view, ids, selection["rows"], selection["columns"]))


def after_click(
    view: View, ids: Sequence[str], rows: Sequence[int], headings: Sequence[str]
) -> View:
    """Return the view after a click: on a heading, or on the boxes of the page's rows."""
    if headings:
        return sorted_by(view, headings[0])
    boxed = [ids[place] for place in rows if place < len(ids)]
    elsewhere = [run_id for run_id in view.selected if run_id not in ids]
    return replace(view, selected=tuple((elsewhere + boxed)[:MAX_SELECTED]))


def sorted_by(view: View, name: str) -> View:
    """Return the view sorted by a column; the one it is sorted by turns round."""
    if name == _CURVE:
        return view
    turned = not view.descending if name == view.sort else name not in _ASCENDING_FIRST
    return replace(view, sort=name, descending=turned, page=1)


_ASCENDING_FIRST = frozenset({"name", "project", "technique", "status", "user", "host"})
