"""The filters of the registry. The address is the truth: the widgets follow it.

They are not bound to it by Streamlit, which drops them when the browser's back button comes from a
model.
"""

from collections.abc import Sequence

import streamlit as st

from dashboard.registry.search import Wanted, aliases_of, formats_of
from services.mirror.models import RegisteredModel

TEXT, FORMAT, ALIAS = "text", "format", "alias"
_KEYS = {name: f"registry:{name}" for name in (TEXT, FORMAT, ALIAS)}
_LAST, _LEFT = "registry:filters", "registry:left"


def draw(models: Sequence[RegisteredModel], project: str | None) -> Wanted:
    """Draw the filters and return what is wanted."""
    formats, aliases = formats_of(models), aliases_of(models)
    asked = _arrive(project)
    st.session_state[_KEYS[TEXT]] = asked.text
    st.session_state[_KEYS[FORMAT]] = [name for name in asked.formats if name in formats]
    st.session_state[_KEYS[ALIAS]] = [name for name in asked.aliases if name in aliases]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Search",
            key=_KEYS[TEXT],
            placeholder="Name, technique, tag, description",
            icon=":material/search:",
            max_chars=200,
            width=320,
            on_change=_changed,
        )
        for label, name, options in (("Format", FORMAT, formats), ("Alias", ALIAS, aliases)):
            st.pills(label, options, selection_mode="multi", key=_KEYS[name], on_change=_changed)
    return asked


def leave() -> None:
    """Remember that a model was looked at: whoever comes back finds the filters again."""
    st.session_state[_LEFT] = True


def clear() -> None:
    """Draw the button that takes the filters away."""
    st.button(
        "Show all models",
        key="clear",
        icon=":material/filter_alt_off:",
        on_click=_show,
        args=(Wanted(),),
    )


def _arrive(project: str | None) -> Wanted:
    query = st.query_params
    left, last = st.session_state.pop(_LEFT, False), st.session_state.get(_LAST)
    if left and last is not None and not any(name in query for name in _KEYS):
        _show(last)
    found = Wanted(
        project,
        tuple(query.get_all(FORMAT)),
        tuple(query.get_all(ALIAS)),
        query.get(TEXT, ""),
    )
    st.session_state[_LAST] = found
    return found


def _changed() -> None:
    held = st.session_state
    formats, aliases = tuple(held[_KEYS[FORMAT]]), tuple(held[_KEYS[ALIAS]])
    _show(Wanted(None, formats, aliases, held[_KEYS[TEXT]]))


def _show(wanted: Wanted) -> None:
    # An empty list takes a parameter out.
    st.query_params.update(
        {
            TEXT: wanted.text.strip() or [],
            FORMAT: list(wanted.formats),
            ALIAS: list(wanted.aliases),
        }
    )
