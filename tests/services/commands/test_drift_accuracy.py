"""``mlops drift accuracy``, and bounds of any measure."""

import json
import time

import pytest
from click.testing import CliRunner, Result

from services.actions.journal import Journal
from services.cli import mlops
from services.home import Home
from services.objectives import store as objectives
from services.objectives.models import Objective
from tests.services.commands.test_drift import home, journal, live
from tests.services.monitoring.predicted import HOUR_S, asked

__all__ = ["home", "journal"]


def typed(*words: str) -> Result:
    return CliRunner().invoke(mlops, words)


@pytest.fixture
def labelled(home: Home, journal: Journal) -> Journal:
    live(journal, "p", "m", 3)
    asked(home, time.time() - HOUR_S, 300, right=0.8, span_s=HOUR_S - 120)
    return journal


def test_accuracy_over_time_is_a_table_and_json(labelled: Journal):
    told = typed("drift", "accuracy", "p.m", "--since", "2h", "--step", "1h")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("p.m, version 3: Accuracy 75.7% (")
    assert "\taccuracy\t" in told.output
    found = json.loads(typed("drift", "accuracy", "p.m", "--metric", "f1", "--json").output)
    assert (found["deployment"], found["version"], found["task"]) == ("p.m", 3, "classification")
    assert found["figure"]["metric"] == "f1"
    assert found["figure"]["low"] < found["figure"]["value"] < found["figure"]["high"]
    assert sum(one["rows"] for one in found["points"]) == found["figure"]["rows"] == 300
    assert (found["predictions"], found["labelled"]) == (300, 300)


def test_it_is_measured_by_what_is_promised(labelled: Journal):
    objectives.put(labelled, "p", "", Objective("accuracy", 0.7, metric="recall"))
    found = json.loads(typed("drift", "accuracy", "p.m", "--json").output)
    assert found["figure"]["metric"] == "recall"


def test_another_version_has_no_labels(labelled: Journal):
    told = typed("drift", "accuracy", "p.m", "--version", "2")
    assert told.exit_code == 0
    assert "is not known: 0 of 0 predictions have a label" in told.output
    found = json.loads(typed("drift", "accuracy", "p.m", "--version", "2", "--json").output)
    assert (found["figure"], found["points"]) == (None, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--since", "soon"), "is no length of time"), (("--since", "0d"), "is no length of time"),
     (("--since", "9999d", "--step", "1h"), "more than 1,000 figures")],
)  # fmt: skip
def test_what_means_nothing_is_a_sentence(labelled: Journal, words: tuple[str, ...], said: str):
    told = typed("drift", "accuracy", "p.m", *words)
    assert told.exit_code == 2
    assert said in told.output


def test_a_bound_of_any_measure_is_set(labelled: Journal):
    told = typed("objectives", "set", "p", "--metric", "f1", "--least", "0.7")
    assert told.exit_code == 0, told.output
    assert "Have p promise F1 of at least 0.7, over 30 days" in told.output
    assert objectives.said(labelled)["p", ""]["accuracy"].metric == "f1"
    rows = json.loads(typed("objectives", "--json").output)
    (one,) = (row for row in rows if row["objective"] == "accuracy")
    assert (one["metric"], one["state"], one["requests"]) == ("f1", "met", 300)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "f1", "--most", "0.7"), "More F1 is better. Say --least."),
        (("--metric", "rmse", "--least", "2"), "Less root mean squared error is better."),
        (("--least", "0.7"), "--least says nothing without --metric."),
        (("--metric", "f1", "--accuracy", "0.7"), "--metric goes with --least or --most."),
        (("--metric", "recall", "--least", "1.5"), "A bound of recall is more than 0 and up to 1."),
        (("--metric", "bias", "--most", "0"), "A bound of bias is more than 0."),
    ],
)  # fmt: skip
def test_a_bound_that_means_nothing_is_refused(
    labelled: Journal, words: tuple[str, ...], said: str
):
    told = typed("objectives", "set", "p", *words)
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())
