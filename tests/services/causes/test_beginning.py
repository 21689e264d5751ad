"""Since when: what lasts longer than a day is compared with the time before it, within a bound."""

from typing import Any

import numpy as np
import pytest

from services.causes import beginning
from services.causes.gathering import Sources, explain_deployment
from services.causes.models import Explanation, Symptom
from services.home import Home
from services.monitoring import settings
from services.monitoring.computing import Monitor
from services.monitoring.models import Baseline, Settings
from services.monitoring.settings import Said
from tests.services.causes.test_gathering import NAME, happened, mirror, of, sources
from tests.services.monitoring.predicted import asked
from tests.services.predictions.records import NOON, record, written

__all__ = ["mirror", "sources"]
HOUR_S = 3600.0
BOUND = "Its begin was looked for from 2026-11-26 12:00 UTC on; what began before is not seen."


def requests(home: Home, facts: Any, hours: float) -> None:
    """Write a request a minute until noon."""
    rng = np.random.default_rng(11)
    rows = []
    for at in np.arange(NOON - hours * HOUR_S, NOON, 60.0).tolist():
        told = {"times": 1.0, "status": 200, "key_id": "k1", **facts(at, rng)}
        latency = 10 * rng.lognormal(0, 0.15) * told.pop("times")
        rows.append(
            record(at, project="lora", model="net", version=2, rows=1, latency_ms=latency,
                   queue_ms=0.2, host=None, host_state=None, inputs=None, outputs=None, **told)
        )  # fmt: skip
    written(home, *rows)


def since(began: float, **worse: Any) -> Any:
    """Return facts: half of the requests are of k2 and come out worse since it began."""

    def facts(at: float, rng: Any) -> dict[str, Any]:
        return {"key_id": "k2", **worse} if at >= began and rng.random() < 0.5 else {}

    return facts


def why(sources: Sources, symptom: Symptom) -> Explanation:
    happened(sources, NOON - 200 * HOUR_S)
    return of(explain_deployment(sources, *NAME.split("."), NOON), symptom)


@pytest.mark.parametrize(
    ("symptom", "worse"), [("slow", {"times": 3.0}), ("errors", {"status": 500})]
)
@pytest.mark.parametrize("ago_h", [30.0, 60.0])
def test_what_lasts_for_more_than_a_day_has_its_begin_and_its_cause(
    home: Home, sources: Sources, symptom: Symptom, worse: dict[str, Any], ago_h: float
):
    began = NOON - ago_h * HOUR_S
    requests(home, since(began, **worse), 90.0)
    found = why(sources, symptom)
    assert found.state == "worse", found.said
    assert found.onset == pytest.approx(began, abs=600)
    assert found.first is not None
    assert (found.first.kind, found.first.measured) == ("clients", True)
    assert found.then is not None
    assert found.then.until <= began + 600
    assert found.then.requests > 1000


@pytest.mark.parametrize(
    ("symptom", "worse"), [("slow", {"times": 3.0}), ("errors", {"status": 500})]
)
def test_what_began_before_the_bound_is_not_seen_and_that_is_said(
    home: Home, sources: Sources, symptom: Symptom, worse: dict[str, Any]
):
    requests(home, since(NOON - 80 * HOUR_S, **worse), 90.0)
    found = why(sources, symptom)
    assert found.state == "steady"
    assert found.said.startswith("It is as it was: ")
    assert found.said.endswith(BOUND)


def test_a_trouble_of_now_is_told_though_there_was_one_two_days_ago(home: Home, sources: Sources):
    began = NOON - HOUR_S

    def facts(at: float, _rng: Any) -> dict[str, Any]:
        slow = at >= began or NOON - 50 * HOUR_S <= at < NOON - 40 * HOUR_S
        return {"times": 3.0} if slow else {}

    requests(home, facts, 90.0)
    assert why(sources, "slow").onset == pytest.approx(began, abs=300)


def test_days_and_nights_are_no_begin_of_what_is_slow_since_an_hour(home: Home, sources: Sources):
    began = NOON - HOUR_S

    def facts(at: float, _rng: Any) -> dict[str, Any]:
        by_day = 1.3 if 8 <= at % 86_400 / HOUR_S < 20 else 1.0
        return {"times": by_day * (4.0 if at >= began else 1.0)}

    requests(home, facts, 90.0)
    assert why(sources, "slow").onset == pytest.approx(began, abs=300)


def test_a_trouble_that_grows_a_little_keeps_its_begin(home: Home, sources: Sources):
    began = NOON - 40 * HOUR_S

    def facts(at: float, _rng: Any) -> dict[str, Any]:
        return {"times": 1.0 if at < began else 4.0 if at < NOON - 3 * HOUR_S else 5.0}

    requests(home, facts, 90.0)
    assert why(sources, "slow").onset == pytest.approx(began, abs=300)


def test_the_log_is_asked_for_figures_of_each_stretch(
    home: Home, sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    requests(home, since(NOON - 30 * HOUR_S, times=3.0), 90.0)
    course, steps = beginning.reading.series, []

    def counted(*asked: Any) -> Any:
        found = course(*asked)
        steps.append(len(found))
        return found

    monkeypatch.setattr(beginning.reading, "series", counted)
    assert beginning.of_requests(home, "lora", "net", "slow", NOON) is not None
    assert steps == [289, 73, 24] or steps == [288, 72, 24]


# What is no data


@pytest.mark.parametrize("symptom", ["data", "prediction"])
def test_an_input_that_somebody_ignores_is_no_cause(home: Home, sources: Sources, symptom: Symptom):
    happened(sources, NOON - 4 * HOUR_S, name="p.m")
    asked(home, NOON - 3 * HOUR_S, 2500, seed=1, span_s=2 * HOUR_S)
    asked(home, NOON - HOUR_S, 2500, shift=1.0, seed=2)
    baseline = Baseline("window", NOON - 3 * HOUR_S, NOON - HOUR_S)
    Monitor(home, sources.verdicts).check("p", "m", 3, baseline=baseline, report=False, now=NOON)
    (found,) = explain_deployment(sources, "p", "m", NOON, symptoms=(symptom,))
    assert "input.a" in {one.column for one in found.causes}
    said = Said(Settings(ignored=("input.a",)), "ada", NOON)
    settings.put(sources.journal, "p", "m", said)
    (found,) = explain_deployment(sources, "p", "m", NOON, symptoms=(symptom,))
    assert found.state == "worse"
    assert found.causes == ()
    assert "input.a" not in found.said
    assert found.none_found.startswith("None was found of ")
