"""Names to choose from: all of a few, the first matches of a search of thousands."""

from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from dashboard.experiments.columns import found
from services.mirror.models import FieldInfo

MOST = 100


def offered(fields: Sequence[FieldInfo], *, key: str, noun: str) -> tuple[str, ...]:
    """Return the names to offer; of more than a hundred those a search field drawn here finds.

    5,000 choices would be sent to the browser at every rerun, and nobody scrolls through them.
    """
    if len(fields) <= MOST:
        return tuple(field.name for field in fields)
    text = st.text_input(
        f"Find one of {len(fields):,} {noun}s", key=key, type="search", live="200ms", width=260
    )
    hits, total = found(fields, text, limit=MOST)
    if total > len(hits):
        st.caption(f"{total - len(hits):,} more match: type a part of the name.", width="content")
    elif not hits:
        st.caption("Nothing has that name.", width="content")
    return tuple(hit.name for hit in hits)


def one_of(
    label: str,
    fields: Sequence[FieldInfo],
    *,
    key: str,
    noun: str,
    first: Iterable[str],
    changed: Callable[[], None] | None = None,
) -> str | None:
    """Draw a choice of one name, ``first`` on top; what was chosen stays, whatever is searched."""
    hits = offered(fields, key=f"{key}-find", noun=noun)
    known = {field.name for field in fields}
    held = (st.session_state.get(key),)
    options = dict.fromkeys((*first, *hits, *(name for name in held if name in known)))
    chosen: str | None = st.selectbox(label, list(options), key=key, width=320, on_change=changed)
    return chosen
