"""A drawer with the gist of one run, without leaving the table."""

import streamlit as st

from dashboard.experiments import run_head
from dashboard.experiments.access import detail_of
from dashboard.experiments.question import Known, metric_goals
from dashboard.experiments.table import PEEK
from services.errors import NotFoundError


def draw(known: Known) -> None:
    """Draw the drawer while a run is looked into."""
    run_id = st.session_state.get(PEEK)
    if run_id:
        _drawer(run_id, known)


def _close() -> None:
    st.session_state.pop(PEEK, None)


@st.dialog("Run", position="right", width="medium", icon=":material/science:", on_dismiss=_close)
def _drawer(run_id: str, known: Known) -> None:
    try:
        detail = detail_of(run_id)
    except NotFoundError as error:
        st.caption(str(error))
        return
    run_head.gist(detail, metric_goals(known.projects))
