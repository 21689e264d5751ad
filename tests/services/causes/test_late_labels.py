"""Lost accuracy is explained by the rows whose labels came, not by newer ones without."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from services.causes.explaining import explain
from services.causes.gathering import Sources, case, explain_deployment
from services.causes.models import Explanation
from services.home import Home
from services.monitoring import reference, settings
from services.monitoring.accuracy import Bound
from services.monitoring.computing import Monitor
from services.monitoring.models import Baseline, Settings
from services.monitoring.settings import Said
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from tests.services.causes.test_gathering import happened, mirror, sources
from tests.services.monitoring.test_computing import TrackingServer
from tests.services.predictions.records import NOON, compacted, request_id

__all__ = ["mirror", "sources"]
DAY_S = 86_400.0
LATE_S = 3 * DAY_S
BROKE = NOON - 3.5 * DAY_S
STEP_S = 240.0


def answered(home: Home, facts: Callable[[float, Any], dict[str, Any]], days: float = 7) -> None:
    """Write a prediction each four minutes until noon, whose label comes three days later."""
    rng = np.random.default_rng(4)
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for at in np.arange(NOON - days * DAY_S, NOON, STEP_S).tolist():
        told = {"a": float(rng.normal()), "key": "k1", "wrong": 0.03, **facts(at, rng)}
        answer = int(rng.random() < 0.5)
        one = request_id(at)
        log.append(
            Record(one, at, "p", "m", 3, "plain", 200, 1.0, key_id=told["key"],
                   inputs={"a": [told["a"]]}, outputs={"label": [answer]})
        )  # fmt: skip
        if at + LATE_S < NOON:
            label = 1 - answer if rng.random() < told["wrong"] else answer
            log.append_feedback(Feedback(one, at + LATE_S, label))
    log.close()


def another_key(at: float, rng: Any) -> dict[str, Any]:
    """Half of the requests come from k2 since it broke; since labels end all come from k3."""
    if at >= NOON - LATE_S:
        return {"key": "k3", "a": 9.0}
    new = at >= BROKE and rng.random() < 0.5
    return {"key": "k2", "wrong": 0.6} if new else {}


def checked(home: Home, sources: Sources, now: float = NOON) -> None:
    monitor = Monitor(home, sources.verdicts)
    found = monitor.check("p", "m", 3, bound=Bound("accuracy", 0.95), report=False, now=now)
    assert found.verdicts[-1].state == "drifted"


def accuracy(sources: Sources, **more: Any) -> Explanation:
    (found,) = explain_deployment(sources, "p", "m", NOON, symptoms=("accuracy",), **more)
    return found


def test_the_verdict_notes_which_predictions_it_is_of(home: Home, sources: Sources):
    answered(home, another_key)
    checked(home, sources)
    (latest,) = (one for one in sources.verdicts.latest("p", "m") if one.kind == "accuracy")
    figure = sources.verdicts.verdict(latest.id).figure
    assert figure is not None
    assert figure.until == pytest.approx(NOON - LATE_S, abs=60)
    assert figure.since == pytest.approx(NOON - LATE_S - DAY_S, abs=60)


@pytest.mark.parametrize("verdict", [True, False], ids=["of a verdict", "without one"])
def test_the_rows_of_the_verdict_are_looked_at_not_those_without_labels(
    home: Home, sources: Sources, verdict: bool
):
    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, another_key)
    if verdict:
        checked(home, sources)
    found = accuracy(sources)
    assert found.first is not None, found.said
    assert (found.first.kind, found.first.measured) == ("clients", True)
    assert found.first.title.startswith("Others ask: key k2 has")
    assert found.onset == pytest.approx(BROKE, abs=3600)
    assert found.now is not None
    assert found.now.until == pytest.approx(NOON - LATE_S, abs=60)
    assert not any("k3" in line for one in found.causes for line in one.evidence)
    assert "that have a label" in found.said
    assert found.said.endswith("with those of before.")
    assert ("; newer ones wait for labels)" in found.said) is verdict


def test_a_verdict_on_newer_inputs_tells_nothing_of_older_labels(home: Home, sources: Sources):
    answered(home, another_key)
    before = Baseline("window", NOON - 7 * DAY_S, NOON - 4 * DAY_S)
    monitor = Monitor(home, sources.verdicts)
    monitor.check("p", "m", 3, baseline=before, report=False, now=NOON)
    latest = {one.kind: one for one in sources.verdicts.latest("p", "m")}
    assert latest["data"].state == "drifted"
    of_newer = case(sources, "p", "m", "data", NOON)
    assert [one.name for one in of_newer.moved] == ["input.a"]
    assert case(sources, "p", "m", "accuracy", NOON).moved == ()


def test_the_link_to_its_chart_compares_the_same(home: Home, sources: Sources):
    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, another_key)
    checked(home, sources)
    found = accuracy(sources)
    assert found.now is not None
    then = case(sources, "p", "m", "accuracy", found.now.until, since=found.onset)
    again = explain(then)
    assert [(one.kind, one.weight) for one in again.causes] == [
        (one.kind, one.weight) for one in found.causes
    ]
    assert found.first is not None
    assert f"until={found.now.until:.3f}" in found.first.link


def test_what_was_compacted_is_told_alike(home: Home, sources: Sources):
    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, another_key)
    before = accuracy(sources)
    compacted(home)
    after = accuracy(sources)
    assert [(one.kind, one.weight, one.evidence) for one in after.causes] == [
        (one.kind, one.weight, one.evidence) for one in before.causes
    ]


def test_a_loss_from_before_the_window_of_the_verdict_has_its_begin(home: Home, sources: Sources):
    began = NOON - 5.5 * DAY_S  # a day and a half before the day that the verdict is of

    def facts(at: float, rng: Any) -> dict[str, Any]:
        new = at >= began and rng.random() < 0.5
        return {"key": "k2", "wrong": 0.6} if new else {}

    happened(sources, NOON - 9 * DAY_S, name="p.m")
    answered(home, facts, days=8)
    checked(home, sources)
    found = accuracy(sources)
    assert found.onset == pytest.approx(began, abs=3600)
    assert found.first is not None
    assert found.first.kind == "clients"


# Bad from the first day on


def kept_evaluation(home: Home, right: float = 0.97) -> None:
    """Keep what training logged: rows as those of before would be."""
    rng = np.random.default_rng(8)
    answers = (rng.random(600) < 0.5).astype(int)
    labels = np.where(rng.random(600) < right, answers, 1 - answers)
    content = orjson.dumps({
        "v": 1, "rows": 600, "inputs": {"a": rng.normal(size=600).tolist()},
        "outputs": {"label": answers.tolist()}, "labels": labels.tolist(),
        "data_revision": "ab" * 4,
    })  # fmt: skip
    server = TrackingServer(content)
    assert reference.evaluation(home, server, "p", "m", 3) is not None  # type: ignore[arg-type]


def shifted(_at: float, rng: Any) -> dict[str, Any]:
    """Half of the rows are far from what it was trained with, and answered wrong."""
    return {"a": 4.0 + float(rng.normal()), "wrong": 0.7} if rng.random() < 0.5 else {}


def test_what_was_bad_from_the_begin_is_compared_with_the_evaluation_data(
    home: Home, sources: Sources
):
    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, shifted)
    checked(home, sources)
    before = accuracy(sources)
    assert before.state == "steady"
    assert before.said.endswith("Its begin was looked for from 2026-11-22 12:00 UTC on; what began "
                                "before is not seen.")  # fmt: skip
    kept_evaluation(home)
    found = accuracy(sources)
    assert (found.state, found.onset, found.then) == ("worse", None, None)
    assert "with the evaluation data of version 3 (data revision abababab)." in found.said
    assert found.first is not None
    assert (found.first.kind, found.first.column, found.first.measured) == (
        "feature", "input.a", True,
    )  # fmt: skip
    assert found.first.chart is not None
    assert any(one is not None for one in found.first.chart.outcome_course)
    asked = "Who asks: it is compared with evaluation data, which nobody asked for."
    assert asked in found.unknown


# What is no data


def ignoring(sources: Sources, *names: str) -> None:
    said = Said(Settings(ignored=names), "ada", NOON)
    settings.put(sources.journal, "p", "", said)


def test_an_input_that_is_ignored_is_no_cause_of_lost_accuracy(home: Home, sources: Sources):
    def facts(at: float, rng: Any) -> dict[str, Any]:
        return shifted(at, rng) if at >= BROKE else {}

    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, facts)
    found = accuracy(sources)
    assert found.first is not None
    assert found.first.column == "input.a"
    ignoring(sources, "input.a")
    found = accuracy(sources)
    assert found.state == "worse"
    assert found.causes == ()
    assert found.none_found.startswith("None was found of ")


def test_times_of_a_sentence_are_those_that_are_compared(home: Home, sources: Sources):
    happened(sources, NOON - 8 * DAY_S, name="p.m")
    answered(home, another_key)
    checked(home, sources)
    found = accuracy(sources)
    assert found.onset is not None
    began = datetime.fromtimestamp(found.onset, UTC)
    assert f"Compared are the predictions of {began:%Y-%m-%d %H:%M} UTC to 2026-11-26" in found.said
