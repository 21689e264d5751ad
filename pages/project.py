"""One project: its figures, conformance with the mend of each gap, contract and folder."""

import shlex

import streamlit as st

from dashboard import navigation, state
from dashboard.components import notices, reports
from dashboard.components import project as drawing
from dashboard.components.cli import command_line
from services.errors import NotFoundError

with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    navigation.link("projects", "All projects", icon="arrow_back")
    corner = st.container(width="content")
off = notices.engine_notice("controller")

shown = st.query_params.get("id", "")
found = next((project for project in state.projects() if project.id == shown), None)
if found is None:
    raise NotFoundError(
        f"There is no project “{shown[:80]}”, or it is not in your scope.",
        "`mlops projects list` names those there are.",
    )

with corner:
    reports.menu(found.id, off)
drawing.detail(found)
own = shlex.quote(found.id)
command_line(f"mlops projects show {own}", f"mlops projects check {own}")
