"""Widgets of one page whose value lives in the address: the address is the truth, they follow it.

Streamlit's own binding is right for what outlives a page (project, time range). On a change of page
it puts the old page's bare address into the browser's history, and the back button ends there.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

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


def many(
    label: str, options: Sequence[str], *, name: str, default: Sequence[str], most: int
) -> list[str]:
    """Draw a list of which up to ``most`` may be chosen, and return those the address names."""
    named = st.query_params.get_all(name)
    kept = [option for option in dict.fromkeys(named) if option in options]
    # Nothing chosen is in the address as an empty word: without any, the default holds.
    found = (kept if kept or named == [""] else list(default))[:most]
    st.session_state[name] = found
    st.multiselect(
        label,
        options,
        key=name,
        max_selections=most,
        on_change=_many_changed,
        args=(name, tuple(default)),
    )
    return found


def time(label: str, *, name: str, about: str) -> datetime | None:
    """Draw a moment to the minute, and return the one the address names, without a zone."""
    try:
        found = datetime.fromisoformat(st.query_params.get(name, "")).replace(tzinfo=None)
    except ValueError:
        found = None
    st.session_state[name] = found
    st.datetime_input(
        label, key=name, value=None, step=60, help=about, on_change=_time_changed, args=(name,)
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


def _many_changed(name: str, default: tuple[str, ...]) -> None:
    value = list(st.session_state[name])
    st.query_params.update({name: [] if value == list(default) else value or [""]})


def _time_changed(name: str) -> None:
    value: datetime | None = st.session_state[name]
    said = [] if value is None else value.isoformat(timespec="minutes")
    st.query_params.update({name: said})


def _switch_changed(name: str, *, default: bool) -> None:
    value = st.session_state[name]
    st.query_params.update({name: [] if value == default else str(value).lower()})
