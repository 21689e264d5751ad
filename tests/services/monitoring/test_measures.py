"""F1, precision, recall, RMSE and bias: values, intervals, and what is judged of them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as published

from services.monitoring import accuracy, labels, measures, metrics
from services.monitoring.accuracy import Bound, Quality
from services.monitoring.labels import Labelled
from services.monitoring.metrics import Metric
from services.objectives import asking, lasting
from services.objectives.models import Objective

RNG = np.random.default_rng


def classes(
    rng: np.random.Generator, mix: tuple[float, ...], right: tuple[float, ...], rows: int = 1000
) -> tuple[list[str], list[str]]:
    """Return labels of a mix of classes, and answers that are right so often by class."""
    truth = rng.choice(len(mix), rows, p=mix)
    other = (truth + rng.integers(1, len(mix), rows)) % len(mix)
    answer = np.where(rng.random(rows) < np.array(right)[truth], truth, other)
    return [f"c{one}" for one in truth], [f"c{one}" for one in answer]


def figure(pair: tuple[list[str], list[str]], metric: Metric) -> Quality:
    found = accuracy.of_values(*pair, metric)
    assert found is not None
    assert found.metric == metric
    return found


@pytest.mark.parametrize(
    ("metric", "of"),
    [("f1", published.f1_score), ("precision", published.precision_score),
     ("recall", published.recall_score)],
)  # fmt: skip
def test_means_over_classes_are_those_of_scikit_learn(metric, of):
    pair = classes(RNG(1), (0.7, 0.25, 0.05), (0.95, 0.8, 0.5))
    found = figure(pair, metric)
    assert found.value == pytest.approx(of(*pair, average="macro"))
    assert found.low < found.value < found.high
    assert found.classes == ("c0", "c1", "c2")


def test_errors_are_those_of_scikit_learn_and_bias_has_its_sign():
    truth = RNG(2).normal(size=500)
    answer = truth + RNG(3).normal(0.3, 0.1, 500)
    pair = truth.tolist(), answer.tolist()
    rmse, bias = (accuracy.of_values(*pair, one) for one in ("rmse", "bias"))
    assert rmse is not None
    assert bias is not None
    assert rmse.value == pytest.approx(published.root_mean_squared_error(truth, answer))
    assert bias.value == pytest.approx((answer - truth).mean())
    half = 1.96 * 0.1 / np.sqrt(500)
    assert (bias.low, bias.high) == pytest.approx((bias.value - half, bias.value + half), abs=2e-3)


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "rmse", "bias"])
def test_nineteen_of_twenty_intervals_hold_the_truth(metric: Metric):
    """The truth: the figure of very many rows. Fewer than 181 of 200 come of chance once in 200."""

    def drawn(seed: int, rows: int) -> Quality:
        rng = RNG(seed)
        if metric in ("rmse", "bias"):
            truth = rng.normal(size=rows)
            found = accuracy.of_values(
                truth.tolist(), (truth + rng.normal(0.1, 1.0, rows)).tolist(), metric
            )
            assert found is not None
            return found
        return figure(classes(rng, (0.6, 0.3, 0.1), (0.9, 0.8, 0.6), rows), metric)

    truth = drawn(0, 100_000).value
    held = sum(one.low <= truth <= one.high for one in (drawn(n, 300) for n in range(1, 201)))
    assert held >= 181


def test_a_model_that_finds_none_of_the_rare_ones_has_98_percent_and_a_bad_f1():
    truth = ["no"] * 980 + ["yes"] * 20
    pair = truth, ["no"] * 1000
    assert figure(pair, "accuracy").value == 0.98
    assert figure(pair, "recall").value == 0.5
    assert accuracy.judge(figure(pair, "recall"), None, Bound("recall", 0.8)).state == "drifted"


def test_a_loss_of_a_few_rows_of_a_rare_class_may_be_chance():
    """Four of a class that is found half the time: all are missed once in 16 looks."""
    past = figure(classes(RNG(4), (0.99, 0.01), (1.0, 0.5), 20_000), "recall")
    now = figure((["c0"] * 400 + ["c1"] * 6, ["c0"] * 406), "recall")
    assert accuracy.judge(now, past).state == "too few"
    assert "of classes so rare that they are worth 24 of an even mix" in (
        accuracy.judge(now, past).said
    )


@pytest.mark.parametrize("metric", ["f1", "precision", "recall"])
def test_undrifted_rows_are_no_alarm(metric: Metric):
    mix, right = (0.9, 0.07, 0.03), (0.97, 0.8, 0.6)
    past = figure(classes(RNG(5), mix, right, 5000), metric)
    alarms = sum(
        accuracy.judge(figure(classes(RNG(100 + n), mix, right, 400), metric), past).state
        == "drifted"
        for n in range(300)
    )
    assert alarms == 0


def test_rows_that_were_asked_together_are_worth_less():
    hits = np.repeat(RNG(6).random(40) < 0.8, 50)
    found = Labelled(
        "classification", tuple("ab"[n % 2] for n in range(2000)),
        tuple("ab"[n % 2 if hit else 1 - n % 2] for n, hit in enumerate(hits)),
        np.zeros(2000), np.zeros(2000), 40, 0, 0, np.repeat(np.arange(40), 50),
    )  # fmt: skip
    one = measures.quality(measures.rows_of(found), "f1")
    assert one is not None
    assert one.size == pytest.approx(40, abs=1)
    assert one.high - one.low > 0.2


def test_a_typing_error_is_no_class():
    truth, answers = classes(RNG(7), (0.5, 0.5), (0.9, 0.9), 400)
    truth[0] = "C0 "
    found = figure((truth, answers), "f1")
    assert (found.classes, found.left_out) == (("c0", "c1"), 1)
    rows = replace(labels.of_rows(truth, answers), at=np.zeros(400), delay_s=np.zeros(400))
    said = accuracy.measured(rows, 400, 0.0, 1.0, 1.0, "f1").said
    assert "1 class with fewer than 5 labels is left out" in said


def test_the_past_is_of_the_same_classes():
    """A hard class that nobody asks for now is neither a gain nor a loss."""
    past = classes(RNG(8), (0.4, 0.4, 0.2), (0.9, 0.9, 0.2), 2000)
    now = figure(classes(RNG(9), (0.5, 0.5), (0.9, 0.9), 400), "recall")
    then = accuracy.of_values(*past, "recall", now.classes)
    assert then is not None
    assert then.value == pytest.approx(0.9, abs=0.02)


def test_bias_is_as_bad_to_either_side():
    truth = RNG(10).normal(size=400)
    for sign in (1, -1):
        off = (truth + sign * RNG(11).normal(2.0, 1.0, 400)).tolist()
        now = accuracy.of_values(truth.tolist(), off, "bias")
        found = accuracy.judge(now, None, Bound("bias", 1.0))
        assert found.state == "drifted"
        assert f"Bias {'-' if sign < 0 else ''}2" in found.said
        assert accuracy.judge(now, None, Bound("bias", 3.0)).state == "steady"


def test_what_labels_do_not_give_is_accuracy_or_the_mean_error():
    assert figure((["a"] * 9, ["a"] * 9), "accuracy").metric == "accuracy"
    found = accuracy.of_values([0.5, 1.5], [0.25, 1.0], "f1")
    assert found is not None
    assert found.metric == "mae"
    texts = [f"text {n}" for n in range(300)]
    assert accuracy.of_values(texts, texts, "f1").metric == "accuracy"  # type: ignore[union-attr]
    assert measures.quality(measures.rows_of(labels.of_rows([], [])), "f1") is None


def test_the_same_rows_give_the_same_figures_and_many_cost_no_more_than_few():
    pair = classes(RNG(12), (0.5, 0.5), (0.9, 0.8), 50_000)
    assert figure(pair, "f1") == figure(pair, "f1")
    rows = measures.rows_of(labels.of_rows(*pair))
    assert measures._groups(rows.request).max() == 999


@pytest.mark.parametrize(
    ("name", "metric"),
    [("val_accuracy", "accuracy"), ("test_f1_macro", "f1"), ("RMSE", "rmse"), ("mae", "mae"),
     ("val_mean_recall", None), ("val_frechet", None), ("usable_compression", None), (None, None),
     ("eval_balanced_accuracy", "recall")],
)  # fmt: skip
def test_a_main_metric_is_known_by_its_name(name, metric):
    assert metrics.of_name(name) == metric


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [(-1.0, 1.5, True), (2.5, 3.0, False), (-3.0, -2.5, False), (-3.0, 1.0, None),
     (1.0, 3.0, None), (-3.0, 3.0, None)],
)  # fmt: skip
def test_a_bias_is_within_its_bound_on_both_sides_or_beyond_it_on_one(low, high, within):
    one = Quality("bias", (low + high) / 2, low, high, 100, 1.0)
    assert lasting._is_within(Objective("accuracy", 2.0, metric="bias"), one) is within


def test_an_objective_of_a_measure_is_missed_met_or_at_risk():
    objective = Objective("accuracy", 0.8, metric="f1")
    for right, rows, state in ((0.5, 400, "missed"), (0.95, 400, "met"), (0.77, 60, "at risk")):
        found = figure(classes(RNG(13), (0.5, 0.5), (right, right), rows), "f1")
        stands = asking._accuracy(objective, found)
        assert stands[0] == state, (found, stands)
