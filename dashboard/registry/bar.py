"""The filters of the registry; they live in the address."""

from collections.abc import Sequence

import streamlit as st

from dashboard.registry.search import Wanted, aliases_of, formats_of
from services.mirror.models import RegisteredModel


def draw(models: Sequence[RegisteredModel], project: str | None) -> Wanted:
    """Draw the filters and return what is wanted."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="text",
            bind="query-params",
            placeholder="Name, technique, tag, description",
            icon=":material/search:",
            max_chars=200,
            width=320,
        )
        formats = st.pills(
            "Format",
            formats_of(models),
            selection_mode="multi",
            key="format",
            bind="query-params",
        )
        aliases = st.pills(
            "Alias", aliases_of(models), selection_mode="multi", key="alias", bind="query-params"
        )
    return Wanted(project, tuple(formats), tuple(aliases), text or "")


def clear() -> None:
    """Draw the button that takes the filters away."""
    st.button("Show all models", key="clear", icon=":material/filter_alt_off:", on_click=_cleared)


def _cleared() -> None:
    st.session_state["text"] = ""
    st.session_state["format"] = []
    st.session_state["alias"] = []
