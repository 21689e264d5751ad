from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.experiments.conditions import (
    ANYWHERE,
    Condition,
    conditions_of,
    operators,
    query_of,
    sentence_of,
    text_of,
    with_condition,
    without_condition,
)
from services.mirror.filters import ATTRIBUTES, field_name, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = TEXT.filter(bool)
FIELDS = st.one_of(
    st.sampled_from(ATTRIBUTES),
    st.builds(field_name, st.sampled_from(("metrics", "params", "tags")), NAMES),
)
ONE_VALUE = st.builds(
    lambda field, operator, value: Condition(field, operator, (value,)),
    FIELDS,
    st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~", "!~"]),
    TEXT,
)
SEVERAL = st.builds(
    lambda field, values: Condition(field, "in", tuple(values)),
    FIELDS,
    st.lists(TEXT, min_size=2, max_size=5),
)
NONE = st.builds(Condition, FIELDS, st.sampled_from(["exists", "missing"]))
ANY = st.builds(lambda value: Condition(ANYWHERE, "~", (value,)), TEXT)
CONDITIONS = st.lists(st.one_of(ONE_VALUE, SEVERAL, NONE, ANY), max_size=6).map(tuple)


@given(CONDITIONS)
def test_what_the_builder_writes_it_reads_back(conditions: Any):
    assert conditions_of(query_of(conditions)) == conditions


@given(CONDITIONS, st.one_of(ONE_VALUE, SEVERAL, NONE, ANY))
def test_adding_a_condition_gives_a_query_that_parses(conditions: Any, added: Any):
    text = with_condition(query_of(conditions), added)
    assert parse(text) is not None
    assert conditions_of(text)[-1] == added


def test_one_choice_is_an_equation():
    assert text_of(Condition("status", "in", ("failed",))) == "status = failed"


def test_a_query_with_or_is_left_to_the_text():
    assert conditions_of("status = failed or name ~ lora") is None


def test_a_broken_query_is_left_to_the_text():
    assert conditions_of("metrics.loss <") is None


def test_adding_to_a_query_with_or_puts_brackets_around_it():
    text = with_condition("status = failed or a", Condition("metrics.loss", "<", ("1",)))
    assert text == "(status = failed or a) and (metrics.loss < 1)"


def test_the_same_condition_is_not_added_twice():
    text = with_condition("status = failed and a", Condition("status", "=", ("failed",)))
    assert text == "a and status = failed"


def test_a_condition_is_removed_by_its_place():
    assert without_condition("a and status = failed and b", 1) == "a and b"
    assert without_condition("a or b", 0) == "a or b"


@pytest.mark.parametrize("kind", ["number", "text", "choice", "time"])
def test_every_kind_has_operators_and_words(kind: Any):
    for operator in operators(kind):
        assert sentence_of(Condition("metrics.loss", operator, ("1",))).startswith("loss ")


def test_times_read_since_and_before():
    assert sentence_of(Condition("started_at", ">=", ("-7d",))) == "started since -7d"
