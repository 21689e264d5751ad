"""What proves by labels that a version is good: not that it is not surely worse."""

import time
from collections.abc import Sequence

import pytest

from services.actions.retraining_policy import SetRetrainingPolicy
from services.home import Home
from services.monitoring.measures import Quality
from services.monitoring.metrics import Metric
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.retraining import logged
from services.retraining.models import Strategy
from tests.services.predictions.records import request_id
from tests.services.retraining.lab import ANA, MODEL, PROJECT, Lab
from tests.services.retraining.test_circle import proposed, to_judging


def quality(
    metric: Metric, low: float, value: float, high: float, rows: int = 200, worth: float = 200.0
) -> Quality:
    return Quality(metric, value, low, high, rows, 0.1, worth)


@pytest.mark.parametrize(
    ("mine", "value", "good"),
    [(quality("accuracy", 0.7, 0.8, 0.85), 0.85, True),
     (quality("accuracy", 0.7, 0.8, 0.85), 0.86, False),
     (quality("accuracy", 0.9, 0.95, 0.98), 0.5, True),
     (quality("mae", 1.0, 1.2, 1.4), 1.0, True), (quality("mae", 1.0, 1.2, 1.4), 0.9, False),
     (quality("mae", 1.0, 1.2, 1.4), 9.0, True),
     (quality("bias", -0.1, 0.1, 0.3), 0.0, True), (quality("bias", 0.2, 0.3, 0.4), -0.2, True),
     (quality("bias", 0.2, 0.3, 0.4), -0.1, False),
     (quality("bias", -0.4, -0.3, -0.2), 0.1, False),
     (quality("bias", -0.4, -0.3, -0.2), 0.2, True)],
)  # fmt: skip
def test_the_interval_of_a_canary_reaches_what_the_live_version_has(
    mine: Quality, value: float, good: bool
):
    theirs = quality(mine.metric, value, value, value)
    assert logged.is_as_good(mine, theirs) is good


@pytest.mark.parametrize("side", [0, 1])
def test_of_few_independent_rows_nothing_is_proved(side: int):
    pair = [quality("accuracy", 0.7, 0.8, 0.9) for _ in range(2)]
    assert logged.is_as_good(*pair)
    pair[side] = quality("accuracy", 0.7, 0.8, 0.9, worth=29.0)
    assert not logged.is_as_good(*pair)


def asked(home: Home, answers: Sequence[tuple[int, bool, int]]) -> None:
    """Log requests, of each (version, whether as a shadow, answer); 1 is right."""
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    name = ""
    for n, (version, shadow, label) in enumerate(answers):
        at = time.time() + n * 0.005
        name = name if shadow else request_id(at)  # a shadow has that of the live one before it
        log.append(
            Record(name, at, PROJECT, MODEL, version, "plain", 200, 1.0, inputs={"a": [1.0]},
                   outputs={"label": [label]}, shadow=shadow),
            privacy="full",
        )  # fmt: skip
        if not shadow:
            log.append_feedback(Feedback(name, at + 0.05, 1), privacy="full")
    log.close()


@pytest.mark.parametrize(("right", "proved"), [(60, True), (58, True), (54, False)])
def test_a_shadow_that_is_likely_worse_is_not_proved_though_it_is_not_dropped(
    lab: Lab, right: int, proved: bool
):
    """Of 60 hits of the live version it misses 6: by chance once in 64."""
    pairs = [((2, False, 1), (7, True, int(n < right))) for n in range(60)]
    assert labelled(lab, "shadow", [one for pair in pairs for one in pair]) is proved


@pytest.mark.parametrize(("right", "proved"), [(54, True), (42, False)])
def test_a_canary_that_is_likely_worse_is_not_proved_though_it_is_not_dropped(
    lab: Lab, right: int, proved: bool
):
    live = [(2, False, int(n < 54)) for n in range(60)]
    mine = [(7, False, int(n < right)) for n in range(60)]
    assert labelled(lab, "canary", live + mine) is proved


@pytest.mark.parametrize(("live", "mine"), [(29, 60), (60, 29)])
def test_a_canary_is_not_proved_by_few_labels_of_either(lab: Lab, live: int, mine: int):
    assert not labelled(lab, "canary", [(2, False, 1)] * live + [(7, False, 1)] * mine)


def labelled(lab: Lab, strategy: Strategy, answers: Sequence[tuple[int, bool, int]]) -> bool:
    """Return whether labels prove what stands beside the live version; it is not known as worse."""
    lab.done(SetRetrainingPolicy(PROJECT, strategy=strategy), ANA)
    proposed(lab)
    to_judging(lab)
    since = time.time() - 1
    asked(lab.home, answers)
    found = logged.read(lab.context, lab.home, lab.one(), since, time.time() + 5)
    assert found.said.startswith("By labels")
    assert not found.worse
    return found.labelled
