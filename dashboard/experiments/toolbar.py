"""Tools above the table: filter, columns, saved views, the file."""

from dataclasses import replace
from itertools import chain

import streamlit as st

from dashboard import scope, state
from dashboard.experiments import address, chooser, export, filter_bar, saved_views
from dashboard.experiments.question import Known, columns_of, question
from dashboard.experiments.view import View
from dashboard.scope import Scope
from dashboard.text import plain
from services.errors import InputError
from services.mirror.main_metric import MAIN_METRIC


def _about(where: Scope) -> str:
    of = f"project {where.project}" if where.project else "all projects"
    started = "" if where.span == scope.WHOLE else f" that started {where.sentence}"
    return f"Runs of {plain(of, 60)}{started}."


def draw(view: View, known: Known) -> None:
    """Draw the tools of the table, the filter, and its conditions below it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_about(scope.current()), width="stretch")
        if st.button("Columns", icon=":material/view_column:", key="exp-columns"):
            chooser.dialog(known)
        if st.button("Views", icon=":material/bookmark:", key="exp-views"):
            saved_views.dialog()
        _archive(view)
        _file(view, known)
    filters(view)


def filters(view: View) -> None:
    """Draw the filter and its conditions below it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="stretch"):
            filter_bar.text_box(view)
        if st.button("Add filter", icon=":material/add:", key="exp-builder"):
            filter_bar.builder(view)
    filter_bar.chips(view)


def _archive(view: View) -> None:
    st.session_state["exp-archived"] = view.archived
    st.toggle(
        "Archived",
        key="exp-archived",
        help="Show the archived runs instead",
        on_change=_archive_chosen,
    )


def _archive_chosen() -> None:
    view, _ = address.current()
    shown = replace(view, archived=st.session_state["exp-archived"], page=1, selected=())
    address.show(shown)


def _file(view: View, known: Known) -> None:
    columns = columns_of(view, known)
    mirror = state.mirror()
    asked = question(view, scope.current(), state.visible_projects(), columns, known)

    # The file has a column for each metric: there the main one is each project's own.
    spread = (known.primary_fields if name == MAIN_METRIC else (name,) for name in columns)
    written = tuple(dict.fromkeys(chain.from_iterable(spread)))

    def made() -> bytes:
        try:
            return export.csv_bytes(mirror, asked, written)
        except InputError as error:
            return f"{error}\n".encode()

    st.download_button(
        "CSV",
        made,
        file_name="runs.csv",
        mime="text/csv",
        key="exp-csv",
        icon=":material/download:",
        on_click="ignore",
        help="All runs the filter finds, with the columns shown; made when you click.",
    )
