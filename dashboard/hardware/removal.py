"""Taking a machine that reports no more off the list."""

import streamlit as st

from dashboard.components import actions, notices
from dashboard.hardware import access, joining
from dashboard.text import plain
from services.actions.remove_machine import RemoveMachine
from services.telemetry.models import HostState

_ASKED = "hardware-removing"
_DONE = "hardware-removed"


def draw(host: HostState) -> None:
    """Draw the button, for who may."""
    if not joining.allowed():
        return
    name = host.machine.host
    st.divider()
    st.markdown("**Sold, renamed, or set up anew?**")
    off = notices.engine_notice("controller")
    if access.standing(host) == "live":
        off = "It still reports. End its agent, or the platform on it; a minute later it can go."
    proposal = actions.Proposal(
        f"Remove {name}",
        lambda: _asked(name),
        verb="Remove",
        command=f"mlops hardware remove {name}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        actions.button(
            "Remove this machine", proposal, key="remove-machine", icon="delete", off=off
        )
        st.caption(off or "It leaves the list with all its history.", width="stretch")


def leave(name: str) -> None:
    """Go to the list when it was this person who removed the machine the page was about."""
    if st.session_state.get(_ASKED) != name:
        return
    del st.session_state[_ASKED]
    st.session_state[_DONE] = name
    st.query_params.pop("host", None)
    st.rerun()


def told() -> None:
    """Draw once that a machine was removed."""
    if name := st.session_state.pop(_DONE, ""):
        st.success(f"{plain(name, 80)} was removed.", icon=":material/check_circle:")


def _asked(name: str) -> RemoveMachine:
    st.session_state[_ASKED] = name
    return RemoveMachine(name)
