"""Admin: people and their sessions, and the state of the machine side."""

import streamlit as st

from dashboard import journalled, state
from dashboard.components import actions, located, notices, people, platform
from dashboard.components.cli import command_line
from services.actions import roles
from services.actions.users import ChangeUser

st.title("Admin")
roles.require(state.actor(), "admin", None, "This page")
off = actions.why_not(ChangeUser, off=notices.engine_notice("controller"))

VIEWS = ["people", "sessions", "platform"]
view = located.choice(
    "View", VIEWS, name="view", default="people", format_func=str.capitalize, collapsed=True
)
if view == "people":
    people.add(off)
    chosen = people.table(journalled.people())
    if chosen is not None:
        people.change(chosen, off)
    else:
        st.caption("Select a person to change role, scope or password.")
    command_line("mlops users list", "mlops users add NAME --role viewer")
elif view == "sessions":
    people.sessions_table(journalled.sessions())
    command_line("mlops users list")
else:
    st.subheader("Engines")
    platform.engines(state.platform_status())
    st.subheader("Doctor")
    platform.findings(state.findings())
    st.subheader("Storage")
    platform.storage(state.storage())
    command_line("mlops status", "mlops doctor", "mlops backup FILE")
