import math

from dashboard.experiments.parallel import axes_of
from tests.dashboard.experiments.examples import run


def test_only_parameters_that_vary_get_an_axis_and_the_metric_is_last():
    runs = [
        run("a", params={"rank": "4", "epochs": "3"}, metrics={"acc": 0.8}),
        run("b", params={"rank": "8", "epochs": "3"}, metrics={"acc": 0.9}),
    ]
    axes, kept = axes_of(runs, "acc")
    assert [axis.title for axis in axes] == ["rank", "acc"]
    assert axes[0].values == (4.0, 8.0)
    assert kept == (0, 1)


def test_words_and_missing_values_get_places_with_names():
    runs = [
        run("a", params={"optimizer": "adam"}, metrics={"acc": 0.8}),
        run("b", params={"optimizer": "sgd"}, metrics={"acc": 0.9}),
        run("c", metrics={"acc": 0.7}),
    ]
    (axis, _), _ = axes_of(runs, "acc")
    assert axis.ticks == ((0.0, "adam"), (1.0, "not set"), (2.0, "sgd"))
    assert axis.values == (0.0, 2.0, 1.0)


def test_runs_without_a_finite_value_are_left_out():
    runs = [
        run("a", params={"r": "1"}, metrics={"acc": math.nan}),
        run("b", params={"r": "2"}, metrics={"acc": 0.9}),
        run("c", params={"r": "3"}, metrics={"acc": 0.7}),
    ]
    axes, kept = axes_of(runs, "acc")
    assert kept == (1, 2)
    assert axes[0].values == (2.0, 3.0)


def test_one_run_has_no_axes():
    assert axes_of([run("a", metrics={"acc": 1.0})], "acc") == ((), (0,))


def test_a_parameter_with_a_different_word_in_every_run_is_no_axis():
    runs = [run(str(i), params={"note": f"n{i}"}, metrics={"acc": i}) for i in range(20)]
    axes, _ = axes_of(runs, "acc")
    assert [axis.title for axis in axes] == ["acc"]
