"""Paging by cursor: for lists that grow at the top while one reads."""

from collections.abc import Sequence

import streamlit as st

_KEY = "before"


def cursor() -> int | None:
    """Return the number the address pages back from, None for the newest."""
    named = st.query_params.get(_KEY, "")
    return int(named) if named.isdecimal() and len(named) < 18 else None


def draw(numbers: Sequence[int], size: int) -> None:
    """Draw the way to older entries and back to the newest."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        if cursor() is not None and st.button(
            "Newest", key="newest", icon=":material/first_page:", type="tertiary"
        ):
            del st.query_params[_KEY]
            st.rerun()
        if len(numbers) == size and st.button(
            "Older", key="older", icon=":material/chevron_right:", type="tertiary"
        ):
            st.query_params[_KEY] = str(numbers[-1])
            st.rerun()
