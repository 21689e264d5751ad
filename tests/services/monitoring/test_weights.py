"""One weight of a column, wherever it is asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.rules import drift
from services.causes import explain
from services.monitoring import weights, wording
from services.monitoring.models import ColumnVerdict, State, Verdict
from services.monitoring.verdict import Judged
from tests.services.causes.scenes import column, failing, scene, since_onset, some

STATES: tuple[State, ...] = (
    "steady", "drifted", "too few", "missing", "new", "constant", "empty", "failed",
)  # fmt: skip
MANY = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.none() | st.floats(0.0, 5.0),
        st.none() | st.floats(0.0, 1.0),
    ),
    max_size=8,
)


def made(facts: list[Any]) -> tuple[ColumnVerdict, ...]:
    return tuple(
        column(f"c{place}", effect, importance, state)
        for place, (state, effect, importance) in enumerate(facts)
    )


def names(found: Any) -> list[str]:
    return [one.name for one in found]


def test_columns_are_ordered_by_need():
    found = weights.ordered([
        column("calm", 0.09, 0.9, "steady"), column("small", 0.9, 0.1), column("main", 0.4, 0.6),
        column("gone", None, 0.3, "missing"), column("far", 50.0, 0.25),
    ])  # fmt: skip
    # 10 × 0.3 thresholds, at most 10 × 0.25, 4 × 0.6, 9 × 0.1
    assert names(found) == ["input.gone", "input.far", "input.main", "input.small", "input.calm"]


def test_a_column_shares_with_those_that_moved_alone():
    found = weights.shares([column("a", 0.3, 0.6), column("b", 0.3, 0.2),
                            column("c", 0.09, 0.2, "steady")])  # fmt: skip
    assert {name: round(share, 6) for name, share in found.items()} == {
        "input.a": 0.75, "input.b": 0.25,
    }  # fmt: skip


def test_an_importance_that_is_not_known_is_that_of_the_others_on_average():
    found = weights.shares([column("a", 0.3, 0.6), column("b", 0.3, 0.2), column("c", 0.3, None)])
    assert list(found) == ["input.a", "input.c", "input.b"]
    assert found["input.c"] == pytest.approx(1 / 3)


def test_where_none_is_known_it_is_the_distance_alone():
    found = weights.shares([column("a", 0.3, None), column("b", 0.1, None)])
    assert list(found.values()) == pytest.approx([0.75, 0.25])


def test_what_matters_to_no_answer_has_no_share():
    assert weights.shares([column("a", 0.3, 0.0)]) == {}
    assert weights.shares([column("a", 0.05, 0.2, "steady")]) == {}
    assert weights.shares([]) == {}


@given(MANY)
def test_shares_sum_to_one_or_there_are_none(facts: list[Any]):
    columns = made(facts)
    found = weights.shares(columns)
    assert not found or sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sorted(weights.ordered(columns), key=lambda one: one.name) == list(columns)


def test_quality_tells_whether_a_column_is_lost():
    data = (column("a", 0.5, 0.4), column("b", None, 0.3, "missing"), column("c", 0.4, 0.3),
            column("d", 0.01, 0.1, "steady"))  # fmt: skip
    quality = (
        column("a", 0.12, 0.4), column("b", 0.3, 0.3, "too few"),
        column("c", 0.6, 0.3), column("d", 0.0, 0.1, "constant"),
        column("e", None, None, "new"), column("f", 0.0, None, "steady"),
        replace(column("y", None, None, "missing"), name="output.y", role="output"),
    )  # fmt: skip
    found = {one.name: (one.state, one.effect) for one in weights.inputs(data, quality)}
    assert found == {
        "input.a": ("drifted", 0.5), "input.b": ("too few", 0.3), "input.c": ("drifted", 0.6),
        "input.d": ("constant", 0.0), "input.e": ("new", None),
    }  # fmt: skip


# Who asks for it


@given(MANY)
def test_causes_by_a_verdict_have_the_shares_of_the_page(facts: list[Any]):
    columns = made(facts)
    whole = scene(symptom="data", worse=True, moved=columns)
    none = replace(
        whole, then=replace(whole.then, rows=whole.then.rows.take(np.arange(0)), values={})
    )
    shares = weights.shares(columns)
    found = {one.evidence[0]: one for one in explain(none).causes}
    for place, (name, share) in enumerate(shares.items()):
        said = next(one.said for one in columns if one.name == name)
        if share >= 0.05 or (place < 3 and share > 0):
            assert found[said].weight == pytest.approx(share)
            assert not found[said].measured


@given(MANY)
def test_an_alert_and_a_sentence_name_first_what_the_page_does(facts: list[Any]):
    columns = made(facts)
    verdict = Verdict("v", "lora", "net", 1, "quality", 1.0, "b", 0.0, 1.0, 9, columns, 1.0, "low",
                      "drifted", "It moved.")  # fmt: skip
    first = next(iter(weights.ordered(columns)), None)
    (event,) = drift.events([verdict])
    said = wording.verdict(Judged("quality", columns, 1.0, "low", "drifted", ""), "b")
    if first is not None and first.state not in ("steady", "too few"):
        short = wording.title(first.name)
        assert event.cause.startswith(f"The column {short} is {first.state}")
        assert f"b: {short} (" in said


def test_what_who_asks_explains_is_measured_and_the_rest_is_told_apart_from_it():
    # Half of the rows that moved come with another key, half of them from all.
    case = scene(
        now={"key": some(0.5, "k2", "k1")}, symptom="data", worse=True,
        outcome=failing(lambda one: (one.key == "k2") & since_onset(one), 0.9),
        moved=(column("a", 0.6, 0.5), column("b", 0.2, 0.5)),
    )  # fmt: skip
    half = replace(case, now=replace(case.now, values={
        "whole": np.maximum(case.now.values["whole"], np.arange(len(case.now.rows)) % 3 == 0)
    }))  # fmt: skip
    found = explain(half)
    keys = next(one for one in found.causes if one.kind == "clients")
    moved = [one for one in found.causes if one.kind == "feature"]
    assert keys.measured
    assert not any(one.measured for one in moved)
    assert keys.weight + sum(one.weight for one in moved) == pytest.approx(1.0)
    assert moved[0].weight == pytest.approx(3 * moved[1].weight)
    assert moved[0].said.startswith("About ")
    assert ": 75 % of what moved, where what was compared leaves " in moved[0].said


def test_of_many_inputs_that_moved_alike_the_first_are_told():
    columns = tuple(column(f"c{place:02}", 0.3, None) for place in range(30))
    case = scene(symptom="data", worse=True, outcome=failing(since_onset), moved=columns)
    found = explain(case)
    assert [one.title for one in found.causes] == [
        f"The input c{place:02} moved" for place in range(3)
    ]
    assert "how much of the answer goes with each is not known" in found.causes[0].said
