"""The sides of the Experiments page: runs, techniques against each other, what they trade off."""

import shlex
from collections.abc import Sequence

import streamlit as st

from dashboard.components import located, notices
from dashboard.experiments import judged, leaderboard, trade_view
from dashboard.experiments.cost_table import sort_of
from dashboard.experiments.filter_bar import set_filter
from dashboard.experiments.ways import SIDE
from dashboard.scope import RANGES, Scope
from services.errors import FilterError
from services.mirror.filters import join
from services.mirror.models import ProjectSummary

RUNS, TECHNIQUES, TRADES = "Runs", "Techniques", "Trade-offs"
SIDES = (RUNS, TECHNIQUES, TRADES)


def choose() -> str:
    """Draw the choice, and return the side the address names."""
    return located.choice("View", SIDES, name=SIDE, default=RUNS, collapsed=True)


def draw(side: str, projects: Sequence[ProjectSummary], where: Scope, text: str) -> None:
    """Draw a side that is not the runs; a filter that does not parse leaves the page standing."""
    try:
        if side == TECHNIQUES:
            leaderboard.draw(projects, where.project, where, text)
        else:
            trade_view.draw(projects, where, text)
    except FilterError as error:
        notices.problem(error)
        st.button("Clear the filter", key="sides-fix", on_click=set_filter, args=("",))


def command(side: str, projects: Sequence[ProjectSummary], where: Scope, text: str) -> str:
    """Return the command that says the same."""
    words = ["mlops", "runs", "techniques"]
    known = [project.id for project in projects]
    named = st.query_params.get(judged.PROJECT)
    if where.project:
        words += ["--project", where.project]
    elif side == TECHNIQUES and known:
        words += ["--project", named if named in known else known[0]]
    if judged.METRIC in st.query_params and "--project" in words:
        words += ["--metric", st.query_params[judged.METRIC]]
    since = "" if RANGES[where.span] is None else f"started_at > -{where.span}"
    if found := join(text, since):
        words += ["--filter", found]
    if side == TECHNIQUES:
        words += ["--sort", sort_of()]
    else:
        up, across = (st.session_state.get(name, "") for name in (trade_view.Y, trade_view.X))
        words += ["--pareto", f"{across or 'seconds'},{up or 'quality'}"]
    return shlex.join(words)
