"""Overview: health of all projects at a glance, what needs a person, what changed."""

import streamlit as st

from dashboard import scope
from dashboard.charts.small import bars_per_day
from dashboard.components import notices, reports
from dashboard.components.cli import command_line
from dashboard.components.live import live
from dashboard.overview import access, board, cards, inbox
from services.errors import MlopsError

where = scope.current()
with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Overview", width="stretch")
    reports.menu(where.project, notices.why_off("controller"))


def body() -> None:
    """Draw all that moves."""
    notices.engine_notice_once("mlflow", "controller")
    notices.disk_notice_once()
    needed = access.needed(where)
    try:
        projects = access.projects(where)
    except MlopsError:  # it is among what could not be asked; what the journal knows is told
        inbox.needs(needed)
        return
    trained = any(project.runs for project in projects)
    if trained or any(need.page == "alerts" for need in needed.first):
        inbox.headline(board.states(projects), board.running(projects), needed.total)
        st.subheader("What needs you")
        inbox.needs(needed)
    if not trained:
        notices.empty(
            "No project has trained yet",
            "The first run shows here while it runs. The demonstration trains all nine for real.",
            icon="model_training",
            command="./mlops up --demo",
        )
    if projects:
        st.subheader("Projects")
        ends = access.bad_ends(projects, where)
        with st.grid(3, min_column_width=290, border=True, gap="small"):
            for project in projects:
                with st.container(gap="xsmall"):
                    cards.draw(project, ends[project.id])
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(border=True):
        st.subheader("What changed")
        inbox.changes(access.changes(where))
    with right:
        with st.container(border=True):
            st.subheader("Runs per day")
            bars_per_day(access.days(where), key="runs-per-day")
        with st.container(border=True):
            st.subheader("Engines")
            inbox.engines(access.engines())


live(body, board.LOOK_S)()
command_line("mlops status", "mlops projects list", "mlops runs list")
