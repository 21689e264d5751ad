"""What is done with the chosen runs (compare, tag, archive), and the order of the table."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import navigation
from dashboard.experiments import address, bulk, table
from dashboard.experiments.comparison import MOST
from dashboard.experiments.question import Known, columns_of
from dashboard.experiments.view import View
from dashboard.numbers import counted
from services.mirror.main_metric import MAIN_METRIC

_SORT_KEY = "experiments:sort"


def bar(known: Known, off: str | None) -> None:
    """Draw what can be done with the chosen runs, or how runs are chosen; and the order."""
    view, _ = address.current()
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        with st.container(
            horizontal=True, vertical_alignment="center", width="content", gap="small"
        ):
            _chosen(view, off)
        _order(view, columns_of(view, known))


def _chosen(view: View, off: str | None) -> None:
    chosen = view.selected
    if not chosen:
        st.caption("Tick runs to compare them. A heading sorts, a name looks inside.")
        return
    st.markdown(f"**{counted(len(chosen), 'run')} chosen**", width="content")
    if 2 <= len(chosen) <= MOST:
        navigation.link("compare", "Compare", icon="compare_arrows", runs=",".join(chosen))
    else:
        why = "Choose a second run." if len(chosen) < 2 else f"{MOST} runs are the most."
        st.button(
            "Compare",
            key="exp-compare",
            icon=":material/compare_arrows:",
            type="tertiary",
            disabled=True,
            help=why,
        )
    bulk.buttons(chosen, off, back=view.archived)
    st.button(
        "Clear",
        key="exp-unselect",
        type="tertiary",
        on_click=address.show_below,
        args=(replace(view, selected=()),),
    )


def _order(view: View, columns: Sequence[str]) -> None:
    options = list(dict.fromkeys((view.sort, "started_at", "name", "status", *columns)))
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
        st.session_state[_SORT_KEY] = view.sort
        st.selectbox(
            "Sort",
            options,
            key=_SORT_KEY,
            format_func=lambda name: f"Sort by {table.name_of(name)}",
            label_visibility="collapsed",
            width=210,
            on_change=_sorted,
        )
        icon = "south" if view.descending else "north"
        st.button(
            "",
            icon=f":material/{icon}:",
            help=f"{_direction(view)}. Click to turn round.",
            key="experiments:turn",
            on_click=address.show_below,
            args=(replace(view, descending=not view.descending, page=1),),
        )


def _direction(view: View) -> str:
    if view.sort == MAIN_METRIC:
        return f"{'Best' if view.descending else 'Worst'} first, project by project"
    return "Largest or newest first" if view.descending else "Smallest or oldest first"


def _sorted() -> None:
    view, _ = address.current()
    chosen = st.session_state[_SORT_KEY]
    if chosen:
        address.show_below(table.sorted_by(replace(view, sort=""), chosen))
