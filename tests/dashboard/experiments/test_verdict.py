import numpy as np
import pytest
from scipy.stats import ttest_ind

from dashboard.experiments.verdict import difference, verdicts
from tests.dashboard.experiments.examples import technique

GOOD = (0.91, 0.92, 0.93, 0.92, 0.92)
POOR = (0.80, 0.82, 0.81, 0.80, 0.83)
WIDE = (0.70, 0.95, 0.99, 0.85, 0.92)


def test_the_interval_is_welchs():
    found = difference(technique("a", GOOD), technique("b", POOR))
    wanted = ttest_ind(GOOD, POOR, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(GOOD) - np.mean(POOR))
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_several_comparisons_widen_the_interval():
    one = difference(technique("a", GOOD), technique("b", POOR))
    four = difference(technique("a", GOOD), technique("b", POOR), comparisons=4)
    assert four.low < one.low
    assert four.high > one.high


def test_a_clear_difference_is_called_better_with_n():
    (sentence,) = verdicts((technique("lora", GOOD), technique("full", POOR, baseline=True)), "max")
    assert sentence.startswith("“lora” is better than the baseline “full”")
    assert "n = 5 and 5" in sentence
    assert "higher" in sentence


def test_a_smaller_loss_is_lower():
    rows = (technique("a", POOR, metric="loss"), technique("b", GOOD, metric="loss"))
    assert "mean loss is 0.108 lower" in verdicts(rows, "min")[0]


def test_overlap_with_zero_is_not_called_a_difference():
    sentence = verdicts((technique("a", GOOD), technique("b", WIDE)), "max")[0]
    assert "not shown to differ" in sentence
    assert "includes zero" in sentence


def test_one_run_each_gives_no_interval():
    sentence = verdicts((technique("a", [0.9]), technique("b", [0.8])), "max")[0]
    assert "no interval can be given" in sentence
    assert "were run once each" in sentence


def test_identical_repeats_are_doubted():
    sentence = verdicts((technique("a", [0.9, 0.9]), technique("b", [0.8, 0.8])), "max")[0]
    assert "check that the seeds differ" in sentence


def test_one_technique_has_nothing_to_compare():
    assert "nothing to compare" in verdicts((technique("a", GOOD),), "max")[0]
    assert verdicts((), "max") == ()


def test_few_repeats_are_cautioned_about():
    rows = (technique("a", GOOD[:3]), technique("b", POOR))
    assert "fewer than five repeats" in verdicts(rows, "max")[-1]


def test_the_leader_is_compared_with_the_runner_up_and_every_baseline():
    rows = (technique("a", GOOD), technique("b", WIDE), technique("c", POOR, baseline=True))
    told = verdicts(rows, "max")
    assert len(told) == 2
    assert "“c”" in told[1]
