"""What rules say of endpoints and of their service levels."""

from dataclasses import replace

import pytest

from services.alerting.models import Event
from services.alerting.rules import objectives, serving
from services.objectives.models import Burn, Kind, Objective, Speed, Standing, State
from services.serving.figures import Figures, VersionFigures
from services.serving.models import EndpointStatus
from tests.services.alerting.things import NONE, NOW, states


@pytest.mark.parametrize(
    ("phase", "since", "said"),
    [
        ("live", -9, "ok"), ("idle", -9, "ok"), ("failed", -9, "firing"),
        ("loading", -999, "unknown"), ("waiting", -299, "unknown"), ("waiting", -301, "firing"),
    ],
)  # fmt: skip
def test_an_endpoint_is_as_the_serving_engine_says(phase: str, since: float, said: str):
    seen = {"lora.net": EndpointStatus("lora.net", phase, "Why.", since=NOW + since)}  # type: ignore[arg-type]  # one of them
    mine = frozenset({"endpoint/lora.net"})
    (found,) = serving.endpoint_events(["lora.net"], seen, NOW, mine)
    assert found.state == said
    if said == "firing":
        assert (found.project, found.cause) == ("lora", "Why.")
        assert found.labels == {"endpoint": "lora.net", "project": "lora", "engine": "serving"}
    assert len(serving.endpoint_events(["lora.net"], seen, NOW, NONE)) == (said == "firing")


def test_a_serving_engine_that_is_silent_ends_nothing_and_an_undeployed_endpoint_does():
    mine = frozenset({"endpoint/lora.net"})
    assert states(serving.endpoint_events(["lora.net"], None, NOW, mine)) == {
        "endpoint/lora.net": "unknown"
    }
    assert states(serving.endpoint_events([], None, NOW, mine)) == {"endpoint/lora.net": "ok"}


def test_requests_turned_away_fire():
    one = VersionFigures(1, requests=100, refused=30, queued=4, in_flight=2)
    mine = frozenset({"load/lora.net"})
    seen = Figures(NOW, 1, 1, {"lora.net": {1: one}})
    (found,) = serving.load_events(["lora.net"], seen, NOW, NONE)
    assert (found.key, found.state) == ("load/lora.net", "firing")
    assert found.cause == "4 requests wait for a model server, 2 are under way."
    well = replace(seen, endpoints={"lora.net": {1: replace(one, refused=1)}})
    assert states(serving.load_events(["lora.net"], well, NOW, mine)) == {"load/lora.net": "ok"}
    assert serving.load_events(["lora.net"], well, NOW, NONE) == ()


def test_a_gateway_that_is_silent_ends_nothing():
    mine = frozenset({"load/lora.net"})
    for silent in (None, Figures(NOW - 60, 1, 1, {})):
        found = serving.load_events(["lora.net"], silent, NOW, mine)
        assert states(found) == {"load/lora.net": "unknown"}
    assert states(serving.load_events([], None, NOW, mine)) == {"load/lora.net": "ok"}


def standing(
    *burns: str, kind: Kind = "errors", state: State = "met", severity: Speed = "critical"
) -> Standing:
    bound_ms = 250.0 if kind == "latency" else None
    pairs = ((3600.0, 300.0), (21_600.0, 1800.0))
    made = tuple(
        Burn(*windows, 14.4, severity, 20.0, 30.0, one, 1000, 200, 25)  # type: ignore[arg-type]
        for windows, one in zip(pairs, burns, strict=False)
    )
    return Standing("lora", "net", Objective(kind, 0.99, 30, bound_ms), state, "It is.", burns=made)


def of_objectives(*said: Standing, keys: frozenset[str] = NONE) -> dict[str, Event]:
    found = objectives.events(said, ["lora.net"], NOW, keys)
    return {one.key: one for one in found}


ERRORS = frozenset({"errors/lora.net"})


def test_a_budget_that_burns_fires_and_says_how_fast():
    (found,) = of_objectives(standing("firing", "quiet")).values()
    assert (found.key, found.state, found.severity) == ("errors/lora.net", "firing", "critical")
    assert found.said == (
        "200 of 1,000 requests to lora.net (20 %) failed in the last 1 h, 25 of them in the last "
        "5 min: 20.0 times what its objective of 99 % allows."
    )
    assert (found.title, found.project) == ("lora.net fails too often", "lora")
    assert found.link == "/monitoring?deployment=lora.net&part=objectives&project=lora"
    assert found.labels == {
        "project": "lora", "model": "net", "endpoint": "lora.net", "objective": "errors",
        "engine": "serving",
    }  # fmt: skip
    mild = of_objectives(standing("unknown", "firing", severity="warning"))
    assert mild["errors/lora.net"].severity == "warning"


def test_slow_answers_are_an_alert_of_their_own():
    (found,) = of_objectives(standing("firing", kind="latency")).values()
    assert (found.key, found.title) == ("latency/lora.net", "lora.net answers too slowly")
    assert "took more than 250 ms" in found.said


def test_a_burn_ends_on_evidence_alone():
    assert of_objectives(standing("quiet", "quiet")) == {}
    for burns, said in (
        (("quiet", "quiet"), "ok"), (("unknown", "quiet"), "unknown"), ((), "unknown"),
    ):  # fmt: skip
        assert of_objectives(standing(*burns), keys=ERRORS)["errors/lora.net"].state == said
    gone = objectives.events([], [], NOW, ERRORS)
    assert (states(gone), gone[0].said) == (
        {"errors/lora.net": "ok"}, "It was taken out of service.",
    )  # fmt: skip
    latency = frozenset({"latency/lora.net"})
    (back,) = of_objectives(standing("quiet"), keys=latency).values()
    assert (back.state, back.said) == ("ok", "The objective was taken back.")


def test_accuracy_fires_when_it_is_surely_below_and_ends_when_it_is_not_below():
    mine = frozenset({"accuracy/lora.net"})
    found = of_objectives(standing(kind="accuracy", state="missed"))["accuracy/lora.net"]
    assert (found.state, found.severity) == ("firing", "critical")
    assert "engine" not in found.labels, "an engine that is down makes no answer wrong"
    for state, said in (("met", "ok"), ("at risk", "unknown"), ("unknown", "unknown")):
        one = standing(kind="accuracy", state=state)  # type: ignore[arg-type]
        assert of_objectives(one) == {}
        assert of_objectives(one, keys=mine)["accuracy/lora.net"].state == said
