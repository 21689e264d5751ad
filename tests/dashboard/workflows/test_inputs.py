"""The inputs of a launch, made from JSON schema."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.workflows import definition, inputs
from services.mirror.workflow_models import WorkflowParam

NOTHING = object()
CASES: tuple[tuple[dict[str, Any], Any, Any, str, Any], ...] = (
    # schema, default, last given, the input, its value
    ({"type": "integer", "minimum": 1, "maximum": 9}, 3, 5, "number_input", 5),
    ({"type": "integer"}, 3, NOTHING, "number_input", 3),
    ({"type": ["null", "integer"]}, None, NOTHING, "number_input", None),
    ({"type": "number", "minimum": 0.0}, 0.001, NOTHING, "number_input", 0.001),
    ({"type": "number", "minimum": 5}, 1, NOTHING, "number_input", None),
    ({"type": "integer", "minimum": 1, "maximum": 9}, 3, 500, "number_input", 3),
    ({"type": "boolean"}, True, False, "toggle", False),
    ({"type": "string"}, "a", NOTHING, "text_input", "a"),
    ({"type": ["null", "string"]}, None, NOTHING, "text_input", None),
    ({}, None, "free", "text_input", "free"),
    ({"type": "string", "enum": ["a", "b", "c", "d", "e"]}, "a", "b", "selectbox", "b"),
    ({"type": ["null", "string"], "enum": ["a", None]}, None, NOTHING, "selectbox", None),
    ({"type": "string", "enum": ["adam", "sgd"]}, "adam", NOTHING, "button_group", "adam"),
    ({"type": "array"}, ["a"], NOTHING, "text_area", ["a"]),
    ({"type": "integer"}, 2**60, NOTHING, "text_area", 2**60),
    ({"type": "object"}, {}, NOTHING, "text_area", {}),
)


def page() -> None:
    import streamlit as st

    from dashboard.workflows import inputs
    from services.mirror.workflow_models import WorkflowParam
    from tests.dashboard.workflows.test_inputs import CASES, NOTHING

    given = []
    for number, (schema, default, last, kind, _) in enumerate(CASES):
        param = WorkflowParam(f"x{number}", default, schema)
        conf = {} if last is NOTHING else {param.name: last}
        given.append(inputs.field(param, conf, f"{kind}:{number}"))
    st.session_state["given"] = given


@pytest.fixture(scope="module")
def app() -> AppTest:
    found = AppTest.from_function(page, default_timeout=20).run()
    assert not found.exception
    return found


def test_each_type_has_its_input(app: AppTest):
    assert app.session_state["given"] == [value for *_, value in CASES]
    for number, (_, _, _, kind, _) in enumerate(CASES):
        key = f"{kind}:{number}"
        assert any(one.key == key for one in app.get(kind)), key


def test_bounds_are_the_inputs(app: AppTest):
    bounded = app.number_input(key="number_input:0")
    assert (bounded.min, bounded.max) == (1, 9)


def test_a_last_value_that_is_allowed_no_more_is_said_and_left(app: AppTest):
    assert [one.value for one in app.caption] == [
        "It was last 500, which is allowed no more: the default is shown."
    ]


def test_what_is_no_json_stays_text_so_that_it_is_named():
    changed = AppTest.from_function(page, default_timeout=20).run()
    changed.text_area(key="text_area:15").set_value("{broken").run()
    assert changed.session_state["given"][15] == "{broken"


def test_what_is_to_be_known_of_a_parameter():
    param = WorkflowParam("lr", 0.1, {"title": "Rate", "minimum": 0, "maximum": 1})
    assert inputs.label(param) == "Rate"
    assert inputs.about(param) == "The parameter lr. From 0 to 1. Default: 0.1."
    assert definition.allowed(param) == "0 to 1"
    assert inputs.about(WorkflowParam("x", None, {"maximum": 2})) == (
        "At most 2. Default: not given."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "step"),
    [(0.001, None, None, 0.0001), (0.0, 0.0, 1.0, 0.1), (None, None, None, 0.1), (30, 0, 99, 3)],
)
def test_a_press_changes_a_number_by_a_tenth(
    value: float | None, low: float | None, high: float | None, step: float
):
    assert inputs.step(value, low, high) == pytest.approx(step)


@pytest.mark.parametrize(
    ("text", "written"),
    [("wait_s", "wait_s"), ("Learning rate", "Learning rate"), ("_a_ b", r"\_a\_ b")],
)
def test_a_label_is_escaped_only_where_it_must_be(text: str, written: str):
    assert inputs._written(text) == written
