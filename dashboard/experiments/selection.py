"""What is done with the chosen runs: compare, tag, archive."""

from dataclasses import replace

import streamlit as st

from dashboard import navigation
from dashboard.experiments import address
from dashboard.experiments.comparison import MOST
from dashboard.experiments.view import View
from dashboard.numbers import counted


def bar(view: View, off: str | None) -> None:
    """Draw what can be done with the chosen runs, or how runs are chosen."""
    del off
    chosen = view.selected
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        if not chosen:
            st.caption("Tick runs to compare them. A heading sorts, a name looks inside.")
            return
        st.markdown(f"**{counted(len(chosen), 'run')} chosen**", width="content")
        if 2 <= len(chosen) <= MOST:
            navigation.link("compare", "Compare", icon="compare_arrows", runs=",".join(chosen))
        else:
            why = "Choose a second run." if len(chosen) < 2 else f"{MOST} runs are the most."
            st.button("Compare", key="exp-compare", disabled=True, help=why)
        st.button(
            "Clear",
            key="exp-unselect",
            type="tertiary",
            on_click=address.show,
            args=(replace(view, selected=()),),
        )
