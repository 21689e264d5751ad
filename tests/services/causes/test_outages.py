"""Why a deployment was out of service: each minute has one cause."""

from dataclasses import replace

import pytest

from services.alerting.models import Alert
from services.causes import outages
from services.causes.grounds import Grounds
from services.causes.outages import Memory, Span
from services.serving.store import Event
from tests.services.alerting.things import alert, event

T = 1_795_953_600.0
NAME = "lora.net"
DOWN = (Span(T, T + 600),)


def engine(name: str, since: float, until: float | None) -> Alert:
    made = alert(
        key=f"engine/{name}", title=f"{name.capitalize()} is down", labels={"engine": name},
        cause="It ended with 137.", suggestion=f"`mlops logs {name}` says why.", at=since,
    )  # fmt: skip
    return replace(made, id=3, resolved_at=until)


def happened(kind: str, at: float, said: str = "Its process ended with 137.") -> Event:
    return Event(1, at, NAME, 2, kind, said, None, "platform")  # type: ignore[arg-type]


def told(
    *alerts: Alert, events: tuple[Event, ...] = (), down: tuple[Span, ...] = DOWN,
    memory: Memory | None = None,
) -> Grounds:  # fmt: skip
    return outages.grounds(NAME, down, alerts, events, T + 900, memory)


def shares(found: Grounds) -> list[tuple[str, float | None]]:
    return [(one.kind, one.share and round(one.share, 3)) for one in found.every]


def test_an_engine_that_was_down_explains_its_minutes():
    (first,) = told(engine("gateway", T - 5, T + 300)).every
    assert (first.kind, first.share) == ("engine", 0.5)
    assert first.said == "Gateway was down (50 % of the time out of service)"
    assert first.evidence == (
        "Gateway was down: It ended with 137. (/alerts?alert=3)",
        "Out of service with it: 5 min, 2026-11-29 12:00:00 to 2026-11-29 12:05:00 UTC. "
        "(/alerts?alert=3)",
    )
    assert first.suggestion == "`mlops logs gateway` says why."


def test_no_minute_is_explained_twice_and_what_explains_most_is_first():
    found = told(
        engine("serving", T, None), engine("gateway", T, T + 120),
        events=(happened("restarted", T - 30),),
    )  # fmt: skip
    assert shares(found) == [("engine", 0.8), ("engine", 0.2)]
    assert found.every[0].title == "Serving is down"


def test_model_servers_that_ended_are_told_with_how_often_and_their_last_words():
    events = (happened("restarted", T + 200), happened("restarted", T - 100))
    (first,) = told(events=events).every
    assert (first.kind, first.share) == ("restart", 1.0)
    assert first.title == (
        "Its model servers ended and began anew 2 times: Its process ended with 137"
    )
    assert first.link == "/deployments?deployment=lora.net"
    assert "`mlops rollback lora/net`" in first.suggestion
    for at in (T - 121, T + 601):
        assert told(events=(happened("restarted", at),)).every == ()


@pytest.mark.parametrize(
    ("kind", "ground"),
    [("failed", "failed"), ("rolled-back", "failed"), ("evicted", "room"), ("canary", "rollout")],
)
def test_what_its_history_tells_of_the_time(kind: str, ground: str):
    assert shares(told(events=(happened(kind, T),))) == [(ground, 1.0)]


def test_the_alert_on_the_deployment_says_what_nothing_else_explains():
    failed = alert(
        event(f"endpoint/{NAME}", T + 300, title=f"{NAME} failed", cause="No room for it.")
    )
    spans = (Span(T, T + 300), Span(T + 300, T + 600))
    found = told(failed, events=(happened("evicted", T),), down=spans)
    assert shares(found) == [("room", 0.5), ("endpoint", 0.5)]
    assert found.every[1].title == f"{NAME} failed: No room for it"


def test_memory_pressure_is_told_last_and_has_no_share():
    short = Memory(4.0, "/hardware?host=a")
    found = told(engine("gateway", T, None), memory=short)
    assert shares(found) == [("engine", 1.0), ("memory", None)]
    assert found.every[1].said == "Its machine was short of memory (pressure level 4 at most)"
    (alone,) = told(memory=short).every
    assert alone.evidence == (
        "Then its machine was short of memory (pressure level 4 at most). (/hardware?host=a)",
    )


def test_engines_that_serve_nothing_and_other_times_explain_nothing():
    assert told(engine("mlflow", T, None), engine("serving", T + 601, None)).every == ()
    assert told(engine("serving", T, None), down=()).every == ()
