"""Widgets of one page whose value lives in the address: the address is the truth, they follow it.

Streamlit's own binding is right for what outlives a page (project, time range). On a change of page
it puts the old page's bare address into the browser's history, and the back button ends there.
"""

from collections.abc import Callable, Sequence

import streamlit as st


def choice(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    default: str,
    format_func: Callable[[str], str] = str,
    collapsed: bool = False,
) -> str:
    """Draw one of a few words, and return the one the address names."""
    named = st.query_params.get(name, "").casefold()
    found = next((option for option in options if option.casefold() == named), default)
    st.session_state[name] = found
    st.segmented_control(
        label,
        options,
        required=True,
        key=name,
        format_func=format_func,
        label_visibility="collapsed" if collapsed else "visible",
        on_change=_choice_changed,
        args=(name, default),
    )
    return found


def text(label: str, *, name: str, placeholder: str = "", width: int = 180) -> str:
    """Draw a line of text, and return what the address holds of it."""
    found = st.query_params.get(name, "")
    st.session_state[name] = found
    st.text_input(
        label,
        key=name,
        placeholder=placeholder,
        width=width,
        on_change=_choice_changed,
        args=(name, ""),
    )
    return found


def several(label: str, options: Sequence[str], *, name: str) -> list[str]:
    """Draw words of which any number may be chosen, and return those the address names."""
    named = st.query_params.get_all(name)
    found = [option for option in options if option in named]
    st.session_state[name] = found
    st.pills(
        label,
        options,
        selection_mode="multi",
        key=name,
        on_change=_several_changed,
        args=(name,),
    )
    return found


def switch(label: str, *, name: str, default: bool) -> bool:
    """Draw a toggle, and return how the address sets it."""
    named = st.query_params.get(name, "").casefold()
    found = default if named not in {"true", "false"} else named == "true"
    st.session_state[name] = found
    st.toggle(label, key=name, on_change=_switch_changed, args=(name,), kwargs={"default": default})
    return found


def _choice_changed(name: str, default: str) -> None:
    value = st.session_state[name]
    # An empty list takes a parameter out.
    st.query_params.update({name: [] if value == default else value})


def _several_changed(name: str) -> None:
    st.query_params.update({name: list(st.session_state[name])})


def _switch_changed(name: str, *, default: bool) -> None:
    value = st.session_state[name]
    st.query_params.update({name: [] if value == default else str(value).lower()})
