"""Each cause where it must come first, and where it is there but innocent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.causes import explain
from services.causes.case import Case, Other, Rows, Side, Training
from services.causes.models import KINDS, Explanation, Kind
from tests.services.causes.scenes import (
    COUNT,
    HOUR_S,
    ONSET,
    column,
    failing,
    scene,
    since_onset,
    slower,
    some,
)

OLD = Training(2, "a" * 40, "c" * 40, {"numpy": "2.1", "mlx": "0.30"}, "lora")
OTHER_DATA = Training(3, "b" * 40, "c" * 40, {"numpy": "2.1", "mlx": "0.30"}, "lora")
OTHER_CODE = Training(3, "a" * 40, "c" * 40, {"numpy": "2.3", "mlx": "0.30"}, "lora")
OTHER_BOTH = Training(3, "b" * 40, "d" * 40, {}, "lora")
NORMAL = np.random.default_rng(1).normal(size=(4, COUNT))
DRAWN = ({"input.a": NORMAL[0], "input.b": NORMAL[1]}, {"input.a": NORMAL[2], "input.b": NORMAL[3]})
A_MOVED = (DRAWN[0], {"input.a": NORMAL[2] + 1.0, "input.b": NORMAL[3]})


def first(case: Case) -> Kind | None:
    found = explain(case)
    return found.first.kind if found.first else None


def versions(*made: Training) -> dict[int, Training]:
    return {one.version: one for one in (OLD, *made)}


def hot(one: Rows) -> Any:
    return one.thermal >= 1


def of_version_3(one: Rows) -> Any:
    return one.version == 3


def large(one: Rows) -> Any:
    return one.rows >= 16


RESTARTED = (ONSET + 600, ONSET + 1800)
FIRST: dict[str, Callable[[], Case]] = {
    "restart": lambda: scene(
        symptom="errors", restarts=RESTARTED, outcome=failing(lambda one: one.restart == 1),
    ),
    "version": lambda: scene(
        now={"version": 3}, outcome=slower(of_version_3), trainings=versions(OTHER_BOTH)
    ),
    "data_revision": lambda: scene(
        now={"version": some(0.6, 3, 2)}, outcome=failing(of_version_3), symptom="accuracy",
        trainings=versions(OTHER_DATA),
    ),
    "code": lambda: scene(
        now={"version": some(0.6, 3, 2)}, outcome=slower(of_version_3),
        trainings=versions(OTHER_CODE),
    ),
    "clients": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="errors",
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "requests": lambda: scene(
        now={"api": some(0.4, "openai", "plain")}, outcome=slower(lambda one: one.api == "openai"),
    ),
    "batch": lambda: scene(
        then={"rows": some(0.1, 32.0, 1.0)}, now={"rows": some(0.7, 32.0, 1.0)},
        outcome=slower(large, 6.0),
    ),
    "payload": lambda: scene(
        then={"row_bytes": some(0.1, 9000.0, 100.0)}, now={"row_bytes": some(0.7, 9000.0, 100.0)},
        outcome=slower(lambda one: one.row_bytes > 1000),
    ),
    "load": lambda: scene(now={"rate": 30.0}, outcome=slower(since_onset, 10.0, "queue")),
    "replicas": lambda: scene(
        now={"replicas": 1.0}, outcome=slower(since_onset, 10.0, "queue"),
    ),
    "backend": lambda: scene(
        now={"backend": some(0.5, "cpu", "mlx")}, outcome=slower(lambda one: one.backend == "cpu"),
    ),
    "thermal": lambda: scene(now={"thermal": some(0.7, 2.0, 0.0)}, outcome=slower(hot)),
    "low_power": lambda: scene(
        now={"low_power": some(0.8, 1.0, 0.0), "clock": 900.0},
        outcome=slower(lambda one: one.low_power == 1),
    ),
    "memory": lambda: scene(
        now={"swap": some(0.5, 5e7, 0.0)}, outcome=slower(lambda one: one.swap > 0, 8.0),
    ),
    "contention": lambda: scene(
        now={"others": some(0.6, 2.0, 0.0)}, outcome=slower(lambda one: one.others > 1),
        others=(Other("run:abcdef0123", "clip", 0.0, 0.8),),
    ),
    "clock": lambda: scene(
        now={"clock": some(0.6, 900.0, 1400.0)}, outcome=slower(lambda one: one.clock < 1000),
    ),
    "feature": lambda: scene(
        symptom="accuracy", columns=A_MOVED, outcome=by_column("a"),
    ),
    "lost": lambda: scene(
        symptom="quality", worse=True, outcome=failing(since_onset),
        moved=(column("a", None, 0.6, "missing"), column("b", 0.4, 0.4)),
    ),
    "labels": lambda: scene(
        symptom="accuracy", outcome=lambda one, rng: {"whole": STRANGE[int(one.at[0] >= ONSET)]},
        columns=({"label.strange": STRANGE[0]}, {"label.strange": STRANGE[1]}),
    ),
    "relation": lambda: scene(
        symptom="accuracy", columns=DRAWN, outcome=failing(since_onset, 0.3)
    ),
}  # fmt: skip
OFTEN = np.asarray(some(0.2, 1.0, 0.0, seed=5))
STRANGE = (np.zeros(COUNT), np.asarray(some(0.3, 1.0, 0.0)))


def by_column(name: str) -> Any:
    """Return an outcome in which answers are wrong where a column is large."""

    def came_out(one: Rows, rng: np.random.Generator) -> Any:
        values = A_MOVED[int(one.at[0] >= ONSET)][f"input.{name}"]
        return {"whole": (rng.random(len(one)) < np.where(values > 1, 0.6, 0.02)).astype(float)}

    return came_out


def test_every_kind_has_a_scene_of_its_own():
    assert set(FIRST) == set(KINDS)


@pytest.mark.parametrize("kind", FIRST)
def test_it_comes_first_where_it_is_to_blame(kind: str):
    found = explain(FIRST[kind]())
    assert found.first is not None, found.said
    assert found.first.kind == kind, [(one.kind, round(one.weight, 2)) for one in found.causes]
    assert found.first.weight > 0.4
    assert found.first.evidence
    assert found.first.suggestion
    assert found.first.link.startswith("/")
    assert sum(one.weight for one in found.causes) <= 1.0 + 1e-9


# There, and innocent: requests with and without it come out alike

HOT = slower(hot)
INNOCENT: dict[str, Callable[[], Case]] = {
    "restart": lambda: scene(
        symptom="errors", restarts=RESTARTED, now={"key": some(0.4, "k2", "k1")},
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "version": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
        trainings=versions(OTHER_BOTH),
    ),
    "data_revision": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "key": some(0.4, "k2", "k1")}, symptom="accuracy",
        outcome=failing(lambda one: one.key == "k2"), trainings=versions(OTHER_DATA),
    ),
    "code": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
        trainings=versions(OTHER_CODE),
    ),
    "clients": lambda: scene(
        now={"key": some(0.5, "k2", "k1", seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "requests": lambda: scene(
        now={"api": some(0.5, "oip", "plain", seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "batch": lambda: scene(
        then={"rows": some(0.3, 32.0, 1.0, seed=5)},
        now={"rows": some(0.7, 32.0, 1.0, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "payload": lambda: scene(
        then={"row_bytes": some(0.3, 9e3, 1e2, seed=5)},
        now={"row_bytes": some(0.7, 9e3, 1e2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "load": lambda: scene(now={"rate": 30.0, "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT),
    "replicas": lambda: scene(now={"replicas": 1.0, "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT),
    "backend": lambda: scene(
        now={"backend": some(0.5, "cpu", "mlx", seed=5), "thermal": some(0.7, 2.0, 0.0)},
        outcome=HOT,
    ),
    "thermal": lambda: scene(
        now={"thermal": some(0.5, 2.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "low_power": lambda: scene(
        now={"low_power": some(0.5, 1.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "memory": lambda: scene(
        now={"pressure": some(0.5, 2.0, 1.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "contention": lambda: scene(
        now={"others": some(0.5, 2.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "clock": lambda: scene(
        now={"clock": some(0.6, 900.0, 1400.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "feature": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy", columns=A_MOVED,
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "lost": lambda: scene(
        symptom="data", worse=True, outcome=failing(since_onset),
        moved=(column("a", None, 0.0, "missing"), column("b", 0.4, 1.0)),
    ),
    "labels": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy",
        outcome=failing(lambda one: one.key == "k2"),
        columns=({"label.strange": STRANGE[0]}, {"label.strange": OFTEN}),
    ),
    "relation": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy", columns=DRAWN,
        outcome=failing(lambda one: one.key == "k2"),
    ),
}  # fmt: skip


def test_every_kind_is_innocent_somewhere():
    assert set(INNOCENT) == set(KINDS)


@pytest.mark.parametrize("kind", INNOCENT)
def test_what_is_there_but_innocent_does_not_come_first(kind: str):
    found = explain(INNOCENT[kind]())
    told = [(one.kind, round(one.weight, 2)) for one in found.causes]
    assert found.first is not None, found.said
    assert found.first.kind != kind, told
    assert found.first.weight > 0.6, told
    assert sum(one.weight for one in found.causes if one.kind == kind) < 0.2, told


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


# What is not so


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
    assert found.said.endswith("Nothing that was looked at explains it.")
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
    # 8 × 0.01, 2 × 0.6 and 0.5 × 0.39 thresholds
    whole = 0.08 + 1.2 + 0.195
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


# The same whatever the order


def shuffled(case: Case, seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def mixed(side: Side) -> Side:
        order = rng.permutation(len(side.rows))
        return Side(side.since, side.until, side.rows.take(order),
                    {name: values[order] for name, values in side.values.items()},
                    {name: values[order] for name, values in side.columns.items()})  # fmt: skip

    return replace(case, then=mixed(case.then), now=mixed(case.now),
                   moved=tuple(reversed(case.moved)))  # fmt: skip


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_changes_nothing(kind: str, seed: int):
    case = FIRST[kind]()
    assert told(explain(shuffled(case, seed))) == told(explain(case))


def told(found: Explanation) -> Any:
    return [(c.kind, c.title, c.said, c.evidence, c.link) for c in found.causes], found.said


def test_hours_are_what_scenes_are_made_of():
    case = scene()
    assert case.now.until - case.then.since == 2 * HOUR_S
