import json
import math
from typing import Any

from dashboard.experiments import compare_tables
from dashboard.experiments.comparison import compare
from tests.dashboard.experiments.examples import detail


def metric(comparison: Any, name: Any):
    return next(line for line in comparison.metrics if line.name == name)


def test_a_delta_is_better_or_worse_by_the_goal_of_the_metric():
    pair = [
        detail("a", metrics={"val_accuracy": 0.80, "loss": 0.5}),
        detail("b", metrics={"val_accuracy": 0.85, "loss": 0.6}),
    ]
    found = compare(pair, base=0)
    assert math.isclose(metric(found, "val_accuracy").deltas[1], 0.05)
    assert metric(found, "val_accuracy").verdict(1) == "better"
    assert metric(found, "loss").verdict(1) == "worse"
    assert metric(found, "loss").deltas[0] is None


def test_a_declared_goal_wins_over_the_name():
    pair = [detail("a", metrics={"loss": 0.5}), detail("b", metrics={"loss": 0.6})]
    found = compare(pair, base=0, goals={"loss": "max"})
    assert metric(found, "loss").verdict(1) == "better"
    assert metric(found, "loss").best() == 1


def test_the_base_is_the_chosen_run():
    pair = [detail("a", metrics={"m": 1.0}), detail("b", metrics={"m": 3.0})]
    assert metric(compare(pair, base=1), "m").deltas == (-2.0, None)


def test_nan_and_infinite_values_have_no_delta_and_are_never_best():
    three = [
        detail("a", metrics={"m": 1.0}),
        detail("b", metrics={"m": math.nan}),
        detail("c", metrics={"m": math.inf}),
    ]
    line = metric(compare(three, base=0), "m")
    assert line.deltas == (None, None, None)
    assert line.verdict(1) == "incomparable"
    assert line.best() == 0


def test_two_nans_do_not_differ():
    pair = [detail("a", metrics={"m": math.nan}), detail("b", metrics={"m": math.nan})]
    assert not metric(compare(pair, base=0), "m").differs


def test_a_parameter_only_one_run_has_differs():
    pair = [detail("a", params={"rank": "8"}), detail("b")]
    (line,) = compare(pair, base=0).params
    assert line.values == ("8", None)
    assert line.differs


def test_packages_are_compared_one_by_one():
    pair = [
        detail("a", tags={"mlops.packages": json.dumps({"mlx": "0.32.4", "numpy": "2.1"})}),
        detail("b", tags={"mlops.packages": json.dumps({"mlx": "0.31.2", "numpy": "2.1"})}),
    ]
    lines = {line.name: line for line in compare(pair, base=0).environment}
    assert lines["package mlx"].differs
    assert not lines["package numpy"].differs


def test_broken_package_lists_are_unknown_not_an_error():
    for broken in ("{", "[1]", "null"):
        pair = [detail("a", tags={"mlops.packages": broken}), detail("b")]
        names = [line.name for line in compare(pair, base=0).environment]
        assert names == ["host"]


def test_different_surroundings_are_warned_of():
    pair = [
        detail("a", tags={"mlops.backend": "mlx-metal", "mlops.host": "m1"}),
        detail("b", tags={"mlops.backend": "mlx-cpu", "mlops.host": "m2"}),
    ]
    text = " ".join(compare(pair, base=0).warnings)
    assert "2 different backends" in text
    assert "2 different hosts" in text


def test_different_data_is_warned_of_first():
    pair = [
        detail("a", tags={"mlops.data.revision": "r1"}),
        detail("b", tags={"mlops.data.revision": "r2", "mlops.host": "other"}),
    ]
    assert "data revisions" in compare(pair, base=0).warnings[0]


def test_unknown_data_beside_known_data_is_said():
    pair = [detail("a", tags={"mlops.data.revision": "r1"}), detail("b")]
    assert any(
        "Not every run says which data" in warning for warning in compare(pair, base=0).warnings
    )


def test_like_with_like_has_no_warning():
    tags = {"mlops.backend": "mlx-cpu", "mlops.data.revision": "r1"}
    assert compare([detail("a", tags=tags), detail("b", tags=tags)], base=0).warnings == ()


def test_runs_that_did_not_finish_are_warned_of():
    pair = [detail("a"), detail("b", status="failed")]
    assert "1 of 2 runs did not finish" in compare(pair, base=0).warnings[0]


def test_bookkeeping_tags_are_left_out():
    pair = [detail("a", tags={"mlflow.runName": "x", "team": "blue"}), detail("b")]
    assert [line.name for line in compare(pair, base=0).tags] == ["team"]


def test_better_and_worse_are_coloured_and_the_base_is_not():
    pair = [detail("a", metrics={"loss": 0.5}), detail("b", metrics={"loss": 0.4})]
    line = metric(compare(pair, base=0), "loss")
    hues = {"better": "color: green", "worse": "color: red"}
    assert compare_tables._style(line, 0, hues) == ""
    assert compare_tables._style(line, 1, hues) == "color: green"
    line = metric(compare(pair, base=1), "loss")
    assert compare_tables._style(line, 0, hues) == "color: red"
