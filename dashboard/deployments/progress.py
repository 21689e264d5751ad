"""How far a rollout is, in the dialog that began it."""

import streamlit as st

from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.deployments import access, rollout
from services.errors import MlopsError


def draw(name: str) -> None:
    """Draw the steps of the rollout that is under way; nothing before it began."""
    import time

    try:
        seen = access.one(name)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)
        return
    if seen is not None and seen.rollout is not None and seen.rollout.running:
        with st.container(border=True):
            st.html(rollout.html(seen.rollout, colours(), time.time()))
