"""One input of a launch, made from a parameter's JSON schema."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.text import plain, shortened
from services.mirror.workflow_models import WorkflowParam
from services.workflows import schema

_LARGEST = 2**53 - 1
"""A browser's numbers are whole so far."""
_NOT_GIVEN = "not given"
_WORD = r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*"
_HARMLESS = re.compile(rf"{_WORD}(?: {_WORD})*", re.ASCII)
_FEW = 4


def field(param: WorkflowParam, last: Mapping[str, Any], key: str) -> object:
    """Draw the input and return its value; None: not given, the workflow's own default counts.

    ``last`` is what the last launch gave; a value that is allowed no more is said and left.
    """
    value = last.get(param.name, param.default)
    fault = schema.fault(param.schema, value) if value is not None else ""
    if fault and param.name in last:
        value = param.default
    if value is not None and schema.fault(param.schema, value):  # a default that was never allowed
        value = None
    drawn = _drawn(param, value, key)
    if fault and param.name in last:
        st.caption(f"It was last {plain(schema.shown(last[param.name]), 80)}, which is allowed no "
                   "more: the default is shown.")  # fmt: skip
    return drawn


def label(param: WorkflowParam) -> str:
    """Return what a parameter is called."""
    return str(param.schema.get("title") or param.name)


def _written(text: str) -> str:
    """Return a label, escaped only where markdown would change it: it is read aloud as it is."""
    return text if _HARMLESS.fullmatch(text) else plain(text, 100)


def about(param: WorkflowParam) -> str:
    """Return what is to be known of a parameter: its name, what it is, its bounds, its default."""
    parts = ["" if label(param) == param.name else f"The parameter {param.name}."]
    parts.append(str(param.schema.get("description") or ""))
    low, high = param.schema.get("minimum"), param.schema.get("maximum")
    if low is not None and high is not None:
        parts.append(f"From {low:g} to {high:g}.")
    elif low is not None or high is not None:
        parts.append(f"At least {low:g}." if low is not None else f"At most {high:g}.")
    default = {None: _NOT_GIVEN, True: "on", False: "off"}
    known = param.default is None or isinstance(param.default, bool)
    parts.append(f"Default: {default[param.default] if known else param.default}.")
    return shortened(" ".join(part for part in parts if part), 400)


def _drawn(param: WorkflowParam, value: Any, key: str) -> object:  # noqa: ANN401 - JSON
    kinds = set(schema.types_of(param.schema))
    told: dict[str, Any] = {
        "label": _written(label(param)),
        "key": key,
        "help": plain(about(param), 400),
    }
    if "enum" in param.schema:
        return _choice(param.schema["enum"], value, told)
    if "boolean" in kinds:
        return _truth(value, told) if "null" in kinds else st.toggle(value=bool(value), **told)
    if kinds & {"integer", "number"} and _fits(value):
        return _number(param, value, told, whole="number" not in kinds)
    if "string" in kinds or not kinds:
        text = st.text_input(value=str(value or ""), placeholder=_NOT_GIVEN, **told)
        return text if text or "null" not in kinds else None
    written = "" if value is None else json.dumps(value)
    typed = st.text_area(value=written, height=80, placeholder="JSON", **told)
    return schema.typed(param.schema, typed) if typed.strip() else None


def _choice(options: Sequence[Any], value: object, told: dict[str, Any]) -> object:
    known = [one for one in options if one is not None]
    chosen = known.index(value) if value in known else None
    if len(known) <= _FEW and chosen is not None and len(known) == len(options):
        return st.segmented_control(
            options=known, default=value, required=True, format_func=str, **told
        )
    return st.selectbox(
        options=known, index=chosen, format_func=str, placeholder=_NOT_GIVEN, **told
    )


def _truth(value: object, told: dict[str, Any]) -> bool | None:
    words = {"yes": True, "no": False}
    now = next((word for word, one in words.items() if one is value), None)
    chosen = st.segmented_control(options=list(words), default=now, **told)
    return words.get(chosen or "")


def _fits(value: object) -> bool:
    """Return whether a browser's number input can hold it."""
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    )


def _number(
    param: WorkflowParam, value: float | None, told: dict[str, Any], *, whole: bool
) -> float | None:
    low, high = _bound(param, "minimum"), _bound(param, "maximum")
    if whole:
        counted: int | None = st.number_input(
            min_value=None if low is None else int(low),
            max_value=None if high is None else int(high),
            value=None if value is None else int(value),
            step=1,
            placeholder=_NOT_GIVEN,
            **told,
        )
        return counted
    found: float | None = st.number_input(
        min_value=None if low is None else float(low),
        max_value=None if high is None else float(high),
        value=None if value is None else float(value),
        format="%g",
        step=step(value, low, high),
        placeholder=_NOT_GIVEN,
        **told,
    )
    return found


def _bound(param: WorkflowParam, name: str) -> float | None:
    found = param.schema.get(name)
    return found if isinstance(found, int | float) and abs(found) <= _LARGEST else None


def step(value: float | None, low: float | None, high: float | None) -> float:
    """Return by how much one press changes a number: a tenth of its size."""
    size = abs(value or 0.0) or (abs(high - low) if low is not None and high is not None else 1.0)
    return float(f"{size / 10 or 0.1:.0e}")
