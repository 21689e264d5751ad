"""Which columns, in which order, and which curve; usable with thousands of metric names."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import scope, state
from dashboard.components import dialogs
from dashboard.experiments import address
from dashboard.experiments.columns import found, moved, offered
from dashboard.experiments.conditions import title_of
from dashboard.experiments.offered import offered as offered_names
from dashboard.experiments.question import Known, columns_of
from dashboard.experiments.view import MAX_COLUMNS, NO_CURVE, View
from dashboard.text import plain
from services.mirror.filters import split_field
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import FieldInfo

_FOUND = 12
_KINDS = {"metrics": "metric", "params": "parameter", "tags": "tag"}


@dialogs.dialog("Columns", icon=":material/view_column:", width="medium")
def dialog(known: Known) -> None:
    """Choose columns; each click is in the address at once."""
    view, _ = address.current()
    columns = columns_of(view, known)
    fields = state.fields(scope.current().project)
    left, right = st.columns(2, gap="medium")
    with left:
        _shown(columns, chosen=view.columns is not None)
    with right:
        _search(known, fields, columns)
    _curve(fields)
    if st.button("Done", type="primary", key="exp-c-done"):
        st.rerun()


def _show(columns: Sequence[str] | None) -> None:
    view, _ = address.current()
    address.show(replace(view, columns=None if columns is None else tuple(columns)))


def _shown(columns: tuple[str, ...], *, chosen: bool) -> None:
    st.markdown("**Shown, in this order**")
    with st.container(height=330, gap=None, key="exp-c-shown"):
        for name in columns:
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(plain(title_of(name), 40), width="stretch")
                for icon, word, result in (
                    ("arrow_upward", "Further left", moved(columns, name, -1)),
                    ("arrow_downward", "Further right", moved(columns, name, 1)),
                    ("close", "Do not show", tuple(c for c in columns if c != name)),
                ):
                    st.button(
                        "",
                        icon=f":material/{icon}:",
                        help=word,
                        type="tertiary",
                        key=f"exp-c-{icon}-{name}",
                        on_click=_show,
                        args=(result,),
                    )
    st.button(
        "Choose by what varies",
        key="exp-c-auto",
        icon=":material/auto_awesome:",
        help="Only columns in which the runs differ, and the primary metric",
        disabled=not chosen,
        on_click=_show,
        args=(None,),
    )


def _search(known: Known, every: Sequence[FieldInfo], columns: tuple[str, ...]) -> None:
    fields = offered(every)
    st.markdown(f"**Add one of {len(fields):,}**")
    text = st.text_input(
        "Find",
        key="exp-c-find",
        type="search",
        live="200ms",
        label_visibility="collapsed",
        placeholder="Metric, parameter, tag …",
    )
    hits, total = found(fields, text, without=columns, limit=_FOUND)
    full = len(columns) >= MAX_COLUMNS
    with st.container(gap=None):
        if MAIN_METRIC not in columns and not text and len(known.primary_fields) > 1:
            _add("main metric · of each project", MAIN_METRIC, columns, full=full)
        for field in hits:
            _add(_told(field), field.name, columns, full=full)
    if full:
        st.caption(f"{MAX_COLUMNS} columns are the most.")
    elif total > len(hits):
        st.caption(f"{total - len(hits):,} more: type a part of the name.")
    elif not hits:
        st.caption("Nothing of that name is left to add.")


def _add(label: str, name: str, columns: tuple[str, ...], *, full: bool) -> None:
    st.button(
        plain(label, 60),
        icon=":material/add:",
        type="tertiary",
        key=f"exp-c-add-{name}",
        disabled=full,
        on_click=_show,
        args=((*columns, name),),
    )


def _told(field: FieldInfo) -> str:
    group, _ = split_field(field.name)
    return f"{title_of(field.name)} · {_KINDS.get(group, 'run')}, {field.runs:,} runs"


_CURVE_KEY = "exp-c-curve"
_AUTO, _NONE = "The main curve of each project", "No curve"


def _curve(fields: Sequence[FieldInfo]) -> None:
    view, _ = address.current()
    metrics = [field for field in fields if field.name.startswith("metrics.")]
    names = list(offered_names(metrics, key="exp-c-curve-find", noun="curve"))
    if view.curve not in (None, NO_CURVE, *names):
        names.insert(0, str(view.curve))
    st.session_state[_CURVE_KEY] = _curve_word(view)
    st.selectbox(
        "Small curve in each row",
        [_AUTO, _NONE, *names],
        key=_CURVE_KEY,
        format_func=lambda name: title_of(name) if name.startswith("metrics.") else name,
        on_change=_curve_chosen,
    )


def _curve_word(view: View) -> str:
    return {None: _AUTO, NO_CURVE: _NONE}.get(view.curve) or str(view.curve)


def _curve_chosen() -> None:
    view, _ = address.current()
    word = st.session_state[_CURVE_KEY]
    address.show(replace(view, curve={_AUTO: None, _NONE: NO_CURVE}.get(word, word)))
