"""The rule of labels that fit nothing: what fires, what ends it, and what is no evidence."""

import pytest

from services.alerting.models import Condition, Event
from services.alerting.rules import labels
from services.monitoring.labels_fit import Fit, Fitting, Part, Unknown

AT = 1_795_953_600.0
NAME = "p.m"
ALL, PROJECT, WRONG = "labels/unknown", "labels/unknown/p", "labels/wrong/p/m"


def unknown(day: Part, hour: Part = Part(), project: str = "p") -> Unknown:  # noqa: B008
    return Unknown(project, day, hour, day.bad, AT - 9e4, AT - 9e3, day.bad // 2, 0)


def fitting(day: Part, hour: Part = Part(), matched: int | None = None) -> Fitting:  # noqa: B008
    return Fitting("p", "m", day, hour, day.came if matched is None else matched, hour.came,
                   day.bad, AT)  # fmt: skip


def told(fit: Fit, *open_keys: str, deployed: tuple[str, ...] = (NAME,)) -> dict[str, Event]:
    found = labels.events(fit, deployed, frozenset(open_keys))
    assert len({one.key for one in found}) == len(found)
    return {one.key: one for one in found}


def test_nothing_is_said_of_what_is_well():
    assert told(Fit(AT)) == {}
    assert told(Fit(AT, (unknown(Part(100, 9)),), (fitting(Part(91, 40)),))) == {}


@pytest.mark.parametrize(
    ("day", "fires"),
    [(Part(50, 5), True), (Part(49, 49), False), (Part(1000, 99), False), (Part(1000, 100), True)],
)  # fmt: skip
def test_unknown_requests_fire_from_a_tenth_of_fifty_labels_on(day: Part, fires: bool):
    found = told(Fit(AT, (unknown(day),), ()))
    assert (PROJECT in found) == fires


def test_the_event_says_how_many_since_when_why_and_what_to_do():
    found = told(Fit(AT, (unknown(Part(200, 40)),), ()))[PROJECT]
    assert (found.state, found.severity, found.project) == ("firing", "warning", "p")
    assert "40 of 200 labels of the last day (20%), said with keys of p" in found.said
    assert "the newest of" in found.said
    assert "20 are of requests older" in found.cause
    assert "X-Request-Id" in found.suggestion
    assert found.link == "/monitoring?project=p"


def test_keys_of_all_projects_are_an_alert_of_the_platform():
    found = told(Fit(AT, (unknown(Part(200, 40), project=""),), ()))
    assert list(found) == [ALL]
    assert found[ALL].project is None
    assert found[ALL].link == "/monitoring"


@pytest.mark.parametrize(("bad", "fires"), [(49, False), (50, True), (100, True)])
def test_labels_fire_when_most_fit_no_answer(bad: int, fires: bool):
    found = told(Fit(AT, (), (fitting(Part(100, bad)),)))
    assert (WRONG in found) == fires
    if fires:
        assert found[WRONG].labels == {"project": "p", "model": "m", "endpoint": NAME}
        assert f"{bad} of 100 labels" in found[WRONG].said
        assert "cannot be held against the answer" in found[WRONG].cause


@pytest.mark.parametrize(
    ("fit", "state"),
    [
        (Fit(AT, (unknown(Part(100, 60), Part(20, 1)),), ()), "ok"),  # of the last hour they fit
        (Fit(AT, (unknown(Part(100, 60), Part(19, 1)),), ()), "firing"),
        (Fit(AT, (unknown(Part(100, 60), Part(20, 2)),), ()), "firing"),
        (Fit(AT, (unknown(Part(100, 9)),), ()), "ok"),
        (Fit(AT, (unknown(Part(10, 1)),), ()), "unknown"),
        (Fit(AT, (), (fitting(Part(50, 0)),)), "ok"),  # none is unknown any more
        (Fit(AT, (), (fitting(Part(0, 0), matched=50),)), "ok"),
        (Fit(AT, (), (fitting(Part(49, 0)),)), "unknown"),
        (Fit(AT), "unknown"),
    ],
)  # fmt: skip
def test_an_open_alert_of_unknown_requests_ends_on_labels_that_fit(fit: Fit, state: Condition):
    assert told(fit, PROJECT)[PROJECT].state == state


@pytest.mark.parametrize(
    ("models", "state"),
    [
        ((fitting(Part(100, 60), Part(20, 9)),), "ok"),
        ((fitting(Part(100, 60), Part(20, 10)),), "firing"),
        ((fitting(Part(100, 49)),), "ok"),
        ((fitting(Part(10, 0)),), "unknown"),
        ((), "unknown"),
    ],
)  # fmt: skip
def test_an_open_alert_of_wrong_labels_ends_on_labels_that_fit(
    models: tuple[Fitting, ...], state: Condition
):
    assert told(Fit(AT, (), models), WRONG)[WRONG].state == state


def test_what_is_out_of_service_is_over_and_begins_nothing():
    fit = Fit(AT, (unknown(Part(100, 90)),), (fitting(Part(100, 90)),))
    assert told(fit, deployed=("other.m",)) == {}
    found = told(fit, PROJECT, WRONG, deployed=("other.m",))
    assert {one.state for one in found.values()} == {"ok"}
    assert told(Fit(AT), ALL, deployed=())[ALL].state == "ok"
