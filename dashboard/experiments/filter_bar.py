"""The filter: its text, what it says as chips, and the builder that writes it."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import scope, state
from dashboard.components import dialogs
from dashboard.experiments import address
from dashboard.experiments.columns import found
from dashboard.experiments.conditions import (
    ANYWHERE,
    NO_VALUE,
    Condition,
    conditions_of,
    is_sound,
    operator_word,
    operators,
    sentence_of,
    title_of,
    with_condition,
    without_condition,
)
from dashboard.experiments.view import View
from dashboard.text import plain
from services.mirror.filters import MAX_LENGTH, Operator, split_field
from services.mirror.models import FieldInfo, FieldKind

TEXT = "experiments:q"
_EXAMPLE = (
    'metrics.val_accuracy >= 0.9 and params.rank = 8 and (status = finished or name ~ "lora")'
)
_SEARCH_FROM = 150
_AGO = ("-1h", "-24h", "-7d", "-30d")
_ANY = FieldInfo(ANYWHERE, "text", 0)


def text_box(view: View) -> None:
    """Draw the query as text."""
    st.session_state[TEXT] = view.filter
    st.text_input(
        "Filter",
        key=TEXT,
        placeholder=f"Filter, e.g. {_EXAMPLE}",
        label_visibility="collapsed",
        icon=":material/filter_alt:",
        max_chars=MAX_LENGTH,
        on_change=_typed,
    )


def _typed() -> None:
    view, _ = address.current()
    address.show(replace(view, filter=st.session_state[TEXT].strip(), page=1))


def set_filter(text: str) -> None:
    """Write another filter into the address: for buttons."""
    view, _ = address.current()
    address.show(replace(view, filter=text, page=1))


def chips(view: View) -> None:
    """Draw the conditions of a flat query; a click on one removes it."""
    conditions = conditions_of(view.filter)
    if not view.filter:
        return
    if conditions is None:
        if is_sound(view.filter):
            st.caption("This query has its own structure: edit it as text, or add to it.")
        return
    with st.container(horizontal=True, gap="xsmall", key="experiments-chips"):
        for place, condition in enumerate(conditions):
            st.button(
                plain(sentence_of(condition), 60),
                key=f"experiments:chip:{place}",
                icon=":material/close:",
                icon_position="right",
                help="Remove this condition",
                on_click=set_filter,
                args=(without_condition(view.filter, place),),
            )
        st.button(
            "Clear all", key="experiments:clear", type="tertiary", on_click=set_filter, args=("",)
        )


@dialogs.dialog("Add a condition", icon=":material/filter_alt:")
def builder(view: View) -> None:
    """Ask for a field, an operator that fits its kind, and a value; add them to the query."""
    field = _field(state.fields(scope.current().project))
    if field is None:
        return
    operator = _operator(field.kind, anywhere=field.name == ANYWHERE)
    values = () if operator in NO_VALUE else _values(field, operator)
    ready = operator in NO_VALUE or bool(values)
    if ready:
        condition = Condition(field.name, operator, values)
        text = with_condition(view.filter, condition)
        st.code(text, language=None, wrap_lines=True)
    if st.button(
        "Add",
        type="primary",
        key="experiments:add",
        disabled=not ready,
        icon=":material/add:",
    ):
        set_filter(text)
        st.rerun()


def _field(fields: Sequence[FieldInfo]) -> FieldInfo | None:
    offered, total = found(fields, _search(fields), limit=_SEARCH_FROM)
    if not offered:
        st.caption("No field has that name.")
        return None
    if total > len(offered):
        st.caption(f"{total:,} fields match; the first {len(offered)} are offered.")
    named = {field.name: field for field in (_ANY, *offered)}
    chosen = st.selectbox(
        "Field", list(named), format_func=lambda name: _field_title(named[name]), key="exp-b-field"
    )
    return named.get(chosen) if chosen is not None else None


def _search(fields: Sequence[FieldInfo]) -> str:
    if len(fields) <= _SEARCH_FROM:
        return ""
    return st.text_input(
        f"Find one of {len(fields):,} fields", key="exp-b-find", type="search", live="200ms"
    )


def _field_title(field: FieldInfo) -> str:
    if field.name == ANYWHERE:
        return "name, technique, project or run id"
    group, _ = split_field(field.name)
    what = {"metrics": "metric", "params": "parameter", "tags": "tag"}.get(group, "run")
    return f"{title_of(field.name)[:60]} · {what}, {field.runs:,} runs"


def _operator(kind: FieldKind, *, anywhere: bool) -> Operator:
    offered: tuple[Operator, ...] = ("~",) if anywhere else operators(kind)
    chosen: Operator | None = st.selectbox(
        "Comparison",
        offered,
        format_func=lambda operator: operator_word(operator, kind),
        key=f"exp-b-operator-{kind}-{anywhere}",
    )
    return chosen or offered[0]


def _values(field: FieldInfo, operator: Operator) -> tuple[str, ...]:
    label, key = "Value", f"exp-b-value-{field.kind}-{operator}-{field.name[:80]}"
    if operator == "in":
        several = st.multiselect(
            "Values", field.choices, key=key, accept_new_options=True, max_selections=25
        )
        return tuple(several)
    if field.kind == "time":
        when = st.selectbox(
            label,
            _AGO,
            index=None,
            key=key,
            accept_new_options=True,
            placeholder="Choose, or type 2026-11-24 or 2026-11-24T08:00 (UTC)",
        )
        return (when,) if when else ()
    if field.choices:
        chosen = st.selectbox(label, field.choices, index=None, key=key, accept_new_options=True)
        return (chosen,) if chosen else ()
    if field.kind == "number":
        figure = st.number_input(label, value=None, format="%g", key=key, placeholder="A number")
        return () if figure is None else (f"{figure:g}",)
    typed = st.text_input(label, key=key, max_chars=500)
    return (typed,) if typed else ()
