"""Projects: all of them, their state and conformance, and how to mend what is wrong."""

import streamlit as st

from dashboard import scope, state
from dashboard.components import actions, notices, registering
from dashboard.components import project as drawing
from dashboard.components.cli import command_line
from services.actions.register_project import RegisterProject

st.title("Projects")
off = notices.engine_notice("controller")

only = scope.current().project
projects = [project for project in state.projects() if only in (None, project.id)]
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(drawing.summary_line(projects) or "No project yet", width="stretch")
    registering.button(actions.why_not(RegisterProject, off=off))

if not projects:
    notices.empty(
        "No project is connected",
        "A folder with `[tool.mlops]` in its pyproject.toml under the watched root joins by "
        "itself within 30 s; any other folder is registered by its path.",
        icon="create_new_folder",
        command="mlops projects add PATH",
    )

with st.grid(3, min_column_width=260, border=True):
    for project in projects:
        with st.container(gap="xsmall"):
            drawing.card(project)

command_line("mlops projects list", "mlops projects add PATH", "mlops projects check ID")
