"""Projects: all of them, their state and conformance, and how to mend what is wrong."""

import streamlit as st

from dashboard import navigation, scope, state
from dashboard.components import notices
from dashboard.components import project as drawing
from dashboard.components.cli import command_line
from services.errors import NotFoundError

shown = st.query_params.get("show")
if not shown:
    st.title("Projects")
projects = state.projects()
if shown:
    navigation.link("projects", "All projects", icon="arrow_back")
    found = next((project for project in projects if project.id == shown), None)
    if found is None:
        raise NotFoundError(
            f"There is no project “{shown[:80]}”, or it is not in your scope.",
            "`mlops projects list` names those there are.",
        )
    notices.engine_notice("controller")
    drawing.detail(found)
    command_line(f"mlops projects show {found.id}", f"mlops projects check {found.id}")
else:
    off = notices.engine_notice("controller")
    only = scope.current().project
    listed = [project for project in projects if only in (None, project.id)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(drawing.summary_line(listed) or "No project yet", width="stretch")
    if not listed:
        notices.empty(
            "No project is connected",
            "A folder with `[tool.mlops]` in its pyproject.toml under the watched root joins by "
            "itself within 30 s; any other folder is registered by its path.",
            icon="create_new_folder",
            command="mlops projects add PATH",
        )
    with st.grid(3, min_column_width=290, border=True):
        for project in listed:
            with st.container(gap="xsmall"):
                drawing.card(project)
    command_line("mlops projects list", "mlops projects add PATH", "mlops projects check ID")
