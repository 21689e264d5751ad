"""The table of techniques: a click on a heading sorts, on a row shows the way to its runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import navigation
from dashboard.experiments import address
from dashboard.experiments.cost_text import (
    DEFAULT_SORT,
    HELP,
    MEMORY,
    TITLES,
    Line,
    energy_text,
    machines_text,
    per_text,
    per_unit,
    quality_word,
    read_sort,
    spread_text,
    standing_text,
    turned,
)
from dashboard.experiments.units import figure
from dashboard.experiments.ways import filter_of
from dashboard.numbers import counted, number
from dashboard.text import plain
from services.mirror.models import TechniqueRow
from services.telemetry.economics import ProjectCosts

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

SORT = "by"
_KEY = "board"
_SORTED_BY = {
    "mean": "quality",
    "interval": "quality",
    "best": "quality",
    "n": "runs",
    "energy": "joules",
}
"""Columns that sort by another name than their own."""
_ROW_PX, _ROWS_SHOWN = 36, 16


def sort_of() -> str:
    """Return the order the address names."""
    return read_sort(st.query_params.get(SORT, DEFAULT_SORT))


def draw(lines: Sequence[Line], costs: ProjectCosts) -> None:
    """Draw the techniques in the order given, and below it the way to the chosen one's runs."""
    by = sort_of()
    columns = _columns(costs, by)
    # A widget of its own for each order: the browser keeps a heading chosen that the server let go,
    # and tells it again at the next tick of any fragment, which would turn the order round.
    key = f"{_KEY}:{costs.project}:{costs.metric}:{by}"
    frame = pd.DataFrame([_cells(line, costs) for line in lines], columns=list(columns))
    event = st.dataframe(
        frame,
        column_config=dict(columns),
        hide_index=True,
        height=_ROW_PX * (_ROWS_SHOWN + 1) if len(lines) > _ROWS_SHOWN else "content",
        row_height=_ROW_PX,
        key=key,
        on_select=lambda: _clicked(key),
        selection_mode=["single-row", "single-column"],
        alt=f"{len(lines)} techniques with {costs.metric[:60]} and what they cost",
    )
    rows = [lines[place] for place in event.selection.rows if place < len(lines)]
    if not rows:
        st.caption(f"{_order(by)} A click on a heading sorts, on a row shows the way to its runs.")
    else:
        _way(rows[0], costs)


def _order(by: str) -> str:
    name = by.removeprefix("-")
    if name == "technique":
        return "Sorted by name."
    if name == "runs":
        return f"Sorted by number of runs, {'fewest' if by.startswith('-') else 'most'} first."
    return f"Sorted by {TITLES[name]}, {'worst' if by.startswith('-') else 'best'} first."  # type: ignore[index]  # one of SORTS


def _clicked(key: str) -> None:
    headings = st.session_state[key]["selection"]["columns"]
    if headings:
        by = turned(sort_of(), _SORTED_BY.get(headings[0], headings[0]))
        st.query_params.update({SORT: [] if by == DEFAULT_SORT else by})


def _cells(line: Line, costs: ProjectCosts) -> dict[str, str]:
    cost, row = line.cost, line.row
    times, _ = per_unit(costs)
    return {
        "technique": cost.technique[:80],
        "role": "baseline" if cost.baseline else "",
        "n": _runs(line),
        "mean": "not logged" if row is None else figure(row.metric, row.mean),
        "seconds": spread_text("seconds", cost.seconds, cost.runs),
        "peak_bytes": spread_text("peak_bytes", cost.peak_bytes, cost.runs),
        "joules": energy_text(cost),
        "energy": quality_word(cost),
        "per_joule": per_text(cost.per_joule, times, cost.runs),
        "conditions": standing_text(cost),
        "machines": machines_text(cost)[:80],
        "interval": "" if row is None else _interval(row),
        "best": "" if row is None else figure(row.metric, row.best),
    }


def _runs(line: Line) -> str:
    """Return on how many runs the mean stands; of how many when it is not all."""
    counts = line.row.runs if line.row else 0
    every = line.cost.runs
    return f"{counts:,} of {every:,}" if counts < every else f"{every:,}"


def _interval(row: TechniqueRow) -> str:
    if row.low is None or row.high is None:
        return "one run: none" if row.runs else "no finite value"
    return f"{number(row.low)} to {number(row.high)}"


def _columns(costs: ProjectCosts, by: str) -> Mapping[str, "ColumnConfig"]:
    _, per = per_unit(costs)
    titles = {
        "technique": ("technique", 115),
        "role": ("role", 70),
        "n": ("runs", 52),
        "mean": (f"mean {'↑' if costs.goal == 'max' else '↓'}", 80),
        "seconds": ("seconds", 122),
        "peak_bytes": ("peak memory", 135),
        "joules": ("joules", 140),
        "energy": ("energy is", 88),
        "per_joule": (f"quality per {per}", 118),
        "conditions": ("conditions", 92),
        "machines": ("ran on", 110),
        "interval": ("95 % interval", 125),
        "best": ("best run", 80),
    }
    left = {"technique", "role", "energy", "conditions", "machines"}
    help_of = dict(HELP) | {"peak_bytes": f"{MEMORY[costs.memory]}: the median of the peaks."}
    return {
        name: st.column_config.TextColumn(
            f"{title}{_mark(name, by)}",
            width=width,
            pinned=name == "technique",
            alignment="left" if name in left else "right",
            help=help_of.get(name),
        )
        for name, (title, width) in titles.items()
    }


def _mark(name: str, by: str) -> str:
    """Return the mark of the column the table is sorted by: best first points down."""
    if name in {"interval", "best", "energy"} or by.removeprefix("-") != _SORTED_BY.get(name, name):
        return ""  # one column bears the mark
    return " ▴" if by.startswith("-") else " ▾"


def _way(line: Line, costs: ProjectCosts) -> None:
    cost, row = line.cost, line.row
    view, _ = address.current()
    with st.container(horizontal=True):
        if row is not None:
            which = "Best" if row.runs else "Newest"
            label = f"{which} run of {plain(cost.technique, 60)} ({counted(row.runs, 'run')})"
            navigation.link("run", label, icon="science", run=row.best_run_id)
        navigation.link(
            "experiments",
            f"All runs of {plain(cost.technique, 60)}",
            icon="table_rows",
            q=filter_of(view.filter, costs.project, cost.technique),
        )
