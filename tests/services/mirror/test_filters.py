import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import FilterError
from services.mirror.filters import (
    Both,
    Either,
    Not,
    Test,
    Words,
    field_name,
    join,
    parse,
    quote,
    split_field,
)

Test.__test__ = False  # type: ignore[attr-defined]  # a filter's node, no test class


def test_an_empty_filter_is_no_filter():
    assert parse("") is None
    assert parse("   ") is None


def test_a_comparison_keeps_its_place():
    assert parse("  metrics.loss <= 0.5") == Test("metrics.loss", "<=", ("0.5",), 2)


def test_and_binds_tighter_than_or():
    node = parse("status = failed or status = lost and name ~ x")
    assert isinstance(node, Either)
    assert isinstance(node.parts[1], Both)


def test_brackets_and_not():
    node = parse("not (status = failed or status = lost)")
    assert isinstance(node, Not)
    assert isinstance(node.part, Either)


def test_words_beside_each_other_must_all_hold():
    assert parse("lora digits") == Both((Words("lora"), Words("digits")))


def test_a_list_of_values():
    assert parse('params.rank in (4, 8, "1 6")') == Test("params.rank", "in", ("4", "8", "1 6"), 0)


def test_not_in_is_the_list_turned_round():
    assert parse("params.rank not in (4, 8)") == Not(Test("params.rank", "in", ("4", "8"), 0))
    assert parse("not status NOT IN (lost)") == Not(Not(Test("status", "in", ("lost",), 4)))
    assert parse("lora not status = lost") == Both(
        (Words("lora"), Not(Test("status", "=", ("lost",), 9)))
    )


def test_a_quoted_name_may_hold_anything():
    node = parse('metrics."val acc (top 1)" > 0')
    assert isinstance(node, Test)
    assert split_field(node.field) == ("metrics", "val acc (top 1)")


def test_dotted_names_are_one_field():
    node = parse("tags.mlflow.user = ana")
    assert isinstance(node, Test)
    assert split_field(node.field) == ("tags", "mlflow.user")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("metrics.loss >", 14),
        ("metrics.loss > 1 or", 19),
        ("(status = failed", 16),
        ("status = failed)", 15),
        ("colour = red", 0),
        ('name = "open', 7),
        ("status = = failed", 9),
        ("params.rank in 4", 15),
        ("params.rank in (4", 17),
        ("and", 0),
        ("metrics. > 3", 0),
    ],
)
def test_an_error_points_at_the_character(text: str, position: int):
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.position == position
    assert caught.value.pointer().splitlines()[1].index("^") == position
    assert caught.value.message.endswith(".")


def test_too_deep_and_too_long_are_sentences():
    with pytest.raises(FilterError, match="nested"):
        parse("(" * 200 + "a" + ")" * 200)
    with pytest.raises(FilterError, match="characters"):
        parse("a" * 20_000)


@given(st.text(max_size=60))
def test_any_value_survives_quoting(value: str):
    assert parse(f"name = {quote(value)}") == Test("name", "=", (value,), 0)


@given(st.text(min_size=1, max_size=40))
def test_any_metric_name_survives(name: str):
    node = parse(f"{field_name('metrics', name)} exists")
    assert isinstance(node, Test)
    assert split_field(node.field) == ("metrics", name)


@given(st.text(alphabet=string.printable, max_size=80))
def test_any_text_parses_or_points_inside_itself(text: str):
    with contextlib.suppress(FilterError):
        parse(text)
        return
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert 0 <= caught.value.position <= len(text)


def test_join_brackets_its_parts():
    assert join("a = 1 or b", "", "c") == "(a = 1 or b) and (c)"
    assert join("a", " ") == "a"
