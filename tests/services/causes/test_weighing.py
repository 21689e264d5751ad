"""What cannot be told apart, what is not so, what a version is told by, and drift."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.causes import explain
from services.causes.case import Rows, Side, Training
from tests.services.causes.blamed import (
    A_MOVED,
    DRAWN,
    HOT,
    OLD,
    OTHER_BOTH,
    OTHER_CODE,
    OTHER_DATA,
    by_column,
    hot,
    of_version_3,
    versions,
)
from tests.services.causes.scenes import (
    COUNT,
    ONSET,
    column,
    failing,
    scene,
    since_onset,
    slower,
    some,
)

# What cannot be told apart


def test_what_changed_at_the_same_moment_shares_the_blame_and_says_so():
    found = explain(
        scene(now={"thermal": 2.0, "version": 3}, outcome=slower(since_onset),
              trainings=versions(OTHER_BOTH))
    )  # fmt: skip
    assert {one.kind: round(one.weight, 2) for one in found.causes} == {
        "version": 0.5, "thermal": 0.5,
    }  # fmt: skip
    assert not any(one.measured for one in found.causes)
    assert "as one other change did; nothing tells them apart" in found.causes[0].said


def test_what_only_makes_requests_wait_is_blamed_for_the_waiting_alone():
    found = explain(scene(now={"rate": 30.0, "version": 3}, outcome=slower(since_onset),
                          trainings=versions(OTHER_BOTH)))  # fmt: skip
    assert [one.kind for one in found.causes] == ["version"]
    assert found.causes[0].weight > 0.95
    assert "load" in found.clear


def test_a_measured_cause_leaves_the_rest_to_what_cannot_be_told_apart():
    def came_out(one: Rows, rng: np.random.Generator) -> Any:
        made = slower(hot, 2.0)(one, rng)
        made["work"] = made["work"] + np.where(one.at >= ONSET, 10.0, 0.0)
        return made

    found = explain(scene(now={"thermal": some(0.7, 2.0, 0.0), "version": 3}, outcome=came_out,
                          trainings=versions(OTHER_BOTH)))  # fmt: skip
    shares = {one.kind: one.weight for one in found.causes}
    # 7 of the 17 ms came with heat, 10 with the begin.
    assert shares["thermal"] == pytest.approx(7 / 17, abs=0.06)
    assert shares["version"] == pytest.approx(10 / 17, abs=0.06)


def test_two_inputs_that_move_as_one_share_what_they_explain():
    both = tuple({**side, "input.b": side["input.a"]} for side in A_MOVED)
    found = explain(scene(symptom="accuracy", columns=both, outcome=by_column("a")))
    assert [one.title for one in found.causes] == ["The input a moved", "The input b moved"]
    assert sum(one.weight for one in found.causes) == pytest.approx(1.0)


# What is not so


def test_what_moved_the_way_that_does_no_harm_is_no_cause():
    found = explain(
        scene({"thermal": 2.0, "rate": 30.0, "replicas": 1.0, "others": 2.0}, None,
              slower(since_onset))
    )  # fmt: skip
    assert (found.state, found.causes) == ("worse", ())


def test_nothing_is_explained_where_nothing_changed():
    found = explain(scene(now={"thermal": 2.0, "version": 3}))
    assert (found.causes, found.onset, found.state) == ((), None, "steady")
    assert found.said.startswith("It is as it was: Latency 10")


def test_what_got_better_has_no_cause():
    found = explain(scene(then={"thermal": 2.0}, now={"version": 3}, outcome=HOT))
    assert found.causes == ()


def test_a_change_that_nothing_explains_says_so():
    found = explain(scene(outcome=slower(since_onset)))
    assert found.causes == ()
    assert found.none_found.startswith(f"None was found of {len(found.clear)} things looked at: ")
    assert "another version" in found.none_found
    assert "Could not be looked at: Model servers" not in found.none_found
    assert {"version", "load", "thermal"} <= set(found.clear)


def test_a_few_requests_tell_nothing():
    case = scene(now={"thermal": 2.0}, outcome=HOT)
    few = Side(ONSET, ONSET + 60, case.now.rows.take(np.arange(5)),
               {name: values[:5] for name, values in case.now.values.items()})  # fmt: skip
    found = explain(replace(case, now=few))
    assert (found.causes, found.onset, found.state) == ((), None, "unknown")
    assert "1,000 requests of before 2026-11-29 12:00 UTC and 5 of after it" in found.said


def test_what_could_not_be_looked_at_is_said_and_not_taken_for_fine():
    unknown = np.full(COUNT, np.nan)
    names = ("thermal", "low_power", "pressure", "swap", "clock", "others", "replicas", "row_bytes")
    facts = dict.fromkeys(names, unknown)
    found = explain(scene(facts, facts | {"version": 3}, slower(since_onset),
                          unknown=("The machine a: away.",)))  # fmt: skip
    assert found.unknown == (
        "Size of the rows: the log keeps no inputs, so their size is not known.",
        "Number of model servers: telemetry does not tell how many model servers there were.",
        "Throttling by heat: the machine tells no thermal level.",
        "Low Power Mode: the machine does not tell whether it saves power.",
        "Memory pressure and swap: the machine tells neither memory pressure nor swap.",
        "Others on the machine: no telemetry of its machine is kept of that time.",
        "The clock of the GPU: the machine tells no clock of its GPU.",
        "The machine a: away.",
    )
    assert not {"thermal", "memory", "contention"} & set(found.clear)


def test_a_heat_that_was_there_before_is_no_cause():
    found = explain(scene({"thermal": 2.0}, {"thermal": 2.0, "version": 3}, slower(of_version_3)))
    assert [one.kind for one in found.causes] == ["version"]


def test_the_clock_is_not_told_beside_the_heat_that_lowers_it():
    state = some(0.7, 2.0, 0.0)
    found = explain(scene(now={"thermal": state, "clock": np.where(state > 0, 900.0, 1400.0)},
                          outcome=HOT))  # fmt: skip
    assert [one.kind for one in found.causes] == ["thermal"]
    assert "clock" in found.clear or "clock" not in {one.kind for one in found.causes}


# Versions


@pytest.mark.parametrize(
    ("made", "kind", "line"),
    [
        (
            OTHER_DATA,
            "data_revision",
            "Data revision bbbbbbbbbbbb (version 3), aaaaaaaaaaaa before",
        ),
        (OTHER_CODE, "code", "Packages: numpy 2.1 → 2.3."),
        (OTHER_BOTH, "version", "Code at dddddddddd, cccccccccc before."),
        (replace(OLD, version=3), "version", "Data revision and code are the same."),
        (Training(3), "version", "Version 3 answered 0 % of 1,000 then, 100 % of 1,000 now."),
    ],
)
def test_a_version_is_told_by_what_is_different_about_it(made: Training, kind: str, line: str):
    found = explain(scene(now={"version": 3}, outcome=slower(of_version_3),
                          trainings=versions(made)))  # fmt: skip
    assert found.first is not None
    assert (found.first.kind, found.first.title.startswith("Version 3 answers instead of")) == (
        kind, True,
    )  # fmt: skip
    assert line in " ".join(found.first.evidence)


# Drift


def test_inputs_are_ordered_by_importance_times_how_far_they_moved():
    found = explain(
        scene(symptom="data", worse=True, outcome=failing(since_onset),
              moved=(column("far", 0.8, 0.01), column("near", 0.2, 0.6),
                     column("still", 0.05, 0.39, "steady")))
    )  # fmt: skip
    # 8 × 0.01 and 2 × 0.6 thresholds; what is steady has no part of what moved
    whole = 0.08 + 1.2
    assert [(one.title, round(one.weight, 3)) for one in found.causes] == [
        ("The input near moved", round(1.2 / whole, 3)),
        ("The input far moved", round(0.08 / whole, 3)),
    ]
    assert "its importance × how far it moved" in found.causes[0].said
    assert "column=input.near" in found.causes[0].link


def test_who_asks_comes_before_the_inputs_that_they_ask_with():
    found = explain(
        scene(now={"key": some(0.5, "k2", "k1")}, symptom="data", worse=True,
              outcome=failing(lambda one: one.key == "k2", 0.9), moved=(column("a", 0.5, 1.0),))
    )  # fmt: skip
    assert found.causes[0].kind == "clients"
    assert found.causes[0].weight > 0.9


def test_without_rows_of_before_the_verdict_tells_what_moved():
    case = scene(symptom="data", worse=True, moved=(column("a", 0.5, 0.7), column("b", 0.1, 0.3)))
    none = replace(case, then=replace(case.then, rows=case.then.rows.take(np.arange(0)), values={}))
    found = explain(none)
    assert [one.kind for one in found.causes] == ["feature", "feature"]
    assert found.causes[0].title == "The input a moved"


def test_a_prediction_that_drifted_has_its_version_or_its_inputs_to_blame():
    said = {
        "symptom": "prediction",
        "worse": True,
        "metric": "rows with values of output.y above 1",
    }
    moved = explain(scene(columns=A_MOVED, outcome=by_column("a"), **said))
    assert moved.first is not None
    assert moved.first.title == "The input a moved"
    assert moved.first.measured
    made = explain(scene(now={"version": 3}, columns=DRAWN, outcome=failing(since_onset),
                         trainings=versions(OTHER_DATA), **said))  # fmt: skip
    assert [one.kind for one in made.causes] == ["data_revision"]


def test_a_verdict_that_is_steady_is_no_drift():
    assert explain(scene(symptom="data", worse=False)).onset is None
