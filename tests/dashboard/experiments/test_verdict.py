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


def test_runs_without_a_number_are_counted_and_said_never_just_left_out():
    rows = (technique("a", GOOD, unfinite=2), technique("b", POOR))
    *_, said = verdicts(rows, "max")
    assert said.startswith("2 of 7 runs of “a” ended with val_accuracy NaN or infinite")
    assert "in no mean" in said
    assert len(verdicts(rows, "max")) == len(verdicts((technique("a", GOOD), rows[1]), "max")) + 1


@pytest.mark.parametrize(("count", "ended"), [(1, "its one run"), (3, "all 3 runs")])
def test_a_technique_without_any_number_is_named_and_compared_with_nothing(count: int, ended: str):
    alone, said = verdicts((technique("a", GOOD), technique("b", (), unfinite=count)), "max")
    assert "“a” is the only technique with finished runs of a finite value" in alone
    assert said.startswith(f"“b” has no finite val_accuracy: {ended} ended NaN or infinite")
    assert len(verdicts((technique("b", (), unfinite=count),), "max")) == 1


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e100, 1e300])
def test_values_of_any_size_are_compared(size: float):
    large = [value * size for value in GOOD], [value * size for value in POOR]
    found = difference(technique("a", large[0]), technique("b", large[1]))
    wanted = difference(technique("a", GOOD), technique("b", POOR))
    assert (found.low / size, found.high / size) == pytest.approx((wanted.low, wanted.high))
