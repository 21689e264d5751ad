"""Many runs at once are unlike exactly where ``comparable`` finds a pair that is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.mirror.frame import FrameWords
from services.mirror.text import Text
from services.telemetry import alike, comparable
from services.telemetry.conditions import Neighbour
from services.telemetry.economics import technique_costs
from tests.services.telemetry.repeated import cost, ran, repeats


def table(*found: Any):
    column = Text(len(found))
    column.put(np.arange(len(found)), [one and one.to_json() for one in found])
    return alike.table(FrameWords(column.codes, column))


CASES = [
    ({"thermal_s": {"0": 48.0, "1": 12.0}}, "throttled"),
    ({"thermal_mean": 1.5}, "mean thermal level"),
    ({"low_power": 0.5}, "Low Power Mode"),
    ({"pressure": 0.2}, "short of memory"),
    ({"battery": 0.9}, "on battery"),
    ({"swap_in_bytes": 6e9}, "swap"),
    ({"neighbours": (Neighbour("", None, 0.3),)}, "of the GPU"),
    ({"neighbours": (Neighbour("", 0.5, None),)}, "of the CPU"),
    ({"fallback": True}, "meant for the GPU"),
    ({"gpu_cores": 8}, "GPUs of 8 to 10 cores"),
]


@pytest.mark.parametrize(("changed", "said"), CASES)
def test_each_difference_is_said_and_like_runs_say_nothing(changed, said):
    (phrase,) = alike.differences(table(ran(), ran(), ran(**changed)))
    assert said in phrase
    assert alike.differences(table(ran(), ran())) == ()
    assert comparable.differences(ran(), ran(**changed))


def test_what_is_not_known_of_a_run_makes_no_difference_and_is_counted():
    rows = table(ran(), None, ran(coverage=0.3, low_power=1.0))
    assert alike.known(rows).tolist() == [True, False, False]
    assert alike.differences(rows) == ()
    assert alike.differences(table(ran(battery=None), ran(battery=None))) == ()


def test_a_tag_that_is_no_conditions_is_not_known():
    column = Text(2)
    column.put(np.arange(2), ["{}", '{"v":1,"host":3}'])
    assert not alike.known(alike.table(FrameWords(column.codes, column))).any()


_conditions = st.builds(
    lambda throttled, low, battery, cpu: ran(
        thermal_s={"0": 60 * (1 - throttled), "2": 60 * throttled},
        thermal_mean=0.0,
        low_power=low,
        battery=battery,
        neighbours=(Neighbour("", cpu, None),),
    ),
    *[st.sampled_from([0.0, 0.04, 0.12, 0.3, 0.7])] * 4,
)


@settings(max_examples=40)
@given(st.lists(_conditions, min_size=2, max_size=5))
def test_runs_are_unlike_exactly_where_some_two_of_them_are(found):
    pairs = any(comparable.differences(a, b) for a in found for b in found)
    assert bool(alike.differences(table(*found))) == pairs


def test_techniques_that_each_ran_alike_but_not_like_each_other_are_said(tmp_path: Path):
    hot = ran(thermal_s={"2": 60.0}, thermal_mean=2.0)
    found = technique_costs(
        repeats(tmp_path, [cost("cool", under=ran()), cost("hot", under=hot), cost("dark")])
    )
    assert {row.technique: row.standing for row in found.rows} == {
        "cool": "alike", "hot": "alike", "dark": "not known",
    }  # fmt: skip
    assert found.cautions[0] == (
        "Runs were throttled (thermal level 1 or more) for 0 % to 100 % of their time: “cool” at "
        "the one end, “hot” at the other (medians)."
    )


def test_a_technique_of_which_a_part_is_known_says_so(tmp_path: Path):
    (row,) = technique_costs(repeats(tmp_path, [cost(under=ran()), cost()])).rows
    assert (row.standing, row.unknown) == ("partly known", 1)
