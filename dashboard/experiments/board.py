"""The part of the page that follows the runs: what is chosen, the table, its pages."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import navigation, scope, state
from dashboard.components import notices
from dashboard.experiments import address, peek, selection, table
from dashboard.experiments.filter_bar import set_filter
from dashboard.experiments.question import PAGE_SIZE, Known, columns_of, pages_of, question
from dashboard.experiments.sparklines import MAX_POINTS, candidates, main_curves
from dashboard.experiments.table import Sparklines
from dashboard.experiments.view import NO_CURVE, View
from dashboard.experiments.wants import ask_once
from dashboard.numbers import counted
from dashboard.text import plain
from services.errors import FilterError, InputError
from services.mirror.filters import split_field
from services.mirror.models import Run, RunPage

_PAGE_KEY = "experiments:page"
_PX_A_PAGE = 42
_LIVE_S, _CALM_S = 2, 10


def draw(known: Known, off: str | None) -> None:
    """Draw the table and keep it up to date: every two seconds while something runs."""
    view, _ = address.current()
    try:
        found = _ask(view, known)
    except FilterError as error:
        notices.problem(error)
        st.button("Clear the filter", key="exp-fix", on_click=set_filter, args=("",))
        return
    except InputError as error:
        notices.problem(error)
        return
    lively = any(run.status == "running" for run in found.rows)
    interval = _LIVE_S if lively else _CALM_S
    # Two fragments: the table follows the runs, and must not close a dialog the bar has opened.
    st.fragment(selection.bar, key=address.BAR)(known, off)
    st.fragment(_follow, key=address.BOARD, run_every=interval)(known)


def _ask(view: View, known: Known) -> RunPage:
    columns = columns_of(view, known)
    asked = question(view, scope.current(), state.visible_projects(), columns, known)
    found = state.runs(asked)
    if found.rows or not found.total:
        return found
    # The address names a page that is not there any more: show the last one.
    last = replace(view, page=pages_of(found.total))
    return state.runs(question(last, scope.current(), asked.projects, columns, known))


def _follow(known: Known) -> None:
    view, _ = address.current()
    try:
        found = _ask(view, known)
    except InputError as error:
        notices.problem(error)
        return
    if not found.total:
        _nothing(view)
        return
    columns = columns_of(view, known)
    table.draw(found.rows, view, columns, _sparklines(found.rows, view, known), known.primaries)
    _pages(view, found)
    peek.draw(known)


def _sparklines(rows: Sequence[Run], view: View, known: Known) -> Sparklines | None:
    if view.curve == NO_CURVE:
        return None
    primaries = known.primaries
    if view.curve is None:
        keys = candidates(rows, primaries)
    else:
        keys, primaries = (split_field(view.curve)[1],), {}
    ids = [run.run_id for run in rows]
    mirror = state.mirror()
    drawn, chosen = main_curves(rows, mirror.curves(ids, keys, MAX_POINTS), keys, primaries)
    without = [run.run_id for run in rows if run.run_id not in drawn]
    ask_once(without, keys)
    if not drawn and view.curve is None:
        return None
    metrics = dict.fromkeys(chosen.values())
    title = f"{next(iter(metrics))} over steps" if len(metrics) == 1 else "main curve"
    told = ", ".join(f"{project}: {metric}" for project, metric in chosen.items())
    how = "Thinned, without NaN and infinities; each row has its own scale."
    return Sparklines(drawn, title, f"{how} {plain(told, 400)}")


def _pages(view: View, found: RunPage) -> None:
    pages = pages_of(found.total)
    page = min(view.page, pages)
    first = (page - 1) * PAGE_SIZE + 1
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        last = first + len(found.rows) - 1
        st.caption(f"{first:,}–{last:,} of {counted(found.total, 'run')}", width="content")
        if pages > 1:
            # A widget of its own for each page it stands at: it follows the address that way.
            key = f"{_PAGE_KEY}:{page}:{pages}"
            st.pagination(
                pages,
                default=page,
                key=key,
                width=_PX_A_PAGE * (min(pages, 7) + 2),
                on_change=_turned,
                args=(key,),
            )


def _turned(key: str) -> None:
    view, _ = address.current()
    address.show_below(replace(view, page=st.session_state[key]))


def _nothing(view: View) -> None:
    where = scope.current()
    if view.filter or where.span != scope.WHOLE or view.archived:
        notices.empty(
            "No run matches",
            f"None {'of the archived runs ' if view.archived else ''}started {where.sentence}"
            f"{' in this project' if where.project else ''}"
            f"{' and fits the filter' if view.filter else ''}.",
            icon="search_off",
            action=lambda: _ways_out(view),
        )
        return
    notices.empty(
        "No run yet",
        "A run appears here within seconds of its first `mlflow.start_run()` in a connected "
        "project. Training one takes less than a minute.",
        icon="science",
        command="mlops up --demo",
        action=lambda: navigation.link("projects", "See the projects", icon="folder_open"),
    )


def _ways_out(view: View) -> None:
    with st.container(horizontal=True, horizontal_alignment="center"):
        if view.filter:
            st.button("Clear the filter", key="exp-none", on_click=set_filter, args=("",))
        if view.archived:
            shown = replace(view, archived=False, page=1)
            st.button("Leave the archive", key="exp-live", on_click=address.show, args=(shown,))
        if scope.current().span != scope.WHOLE:
            st.button("Search all time", key="exp-all", on_click=_all_time)


def _all_time() -> None:
    st.session_state[scope.RANGE] = scope.WHOLE
