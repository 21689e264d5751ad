"""How many messages a channel gets, and when, whatever happens: on a clock of the test's own."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerting import pacing
from services.alerting.models import Alert
from tests.services.alerting.simulated import MODEL, TICK_S, Simulated, storm
from tests.services.alerting.things import NOW, POLICY

MOST = 20
HOUR_S = 3600.0


@pytest.mark.parametrize("critical", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("over_s", [0.0, 60.0, 200.0, 1200.0, HOUR_S])
def test_ten_thousand_alerts_are_twenty_messages_at_most_and_each_is_told(
    over_s: float, critical: float
):
    found = Simulated()
    found.live(storm(10_000, over_s, critical), NOW + over_s + 3 * HOUR_S)
    assert len(found.first) == 10_000
    assert len(found.messages) <= MOST
    assert min(found.first.values()) <= NOW + POLICY.group_wait_s + TICK_S
    late = max(found.first[key] - one.since for key, one in found.present.items())
    assert late <= POLICY.digest_most_s + TICK_S


def test_a_storm_that_ends_is_told_in_few_messages_with_its_end():
    found = Simulated()
    alerts = storm(3000, 1200.0)
    found.live(alerts, NOW + 1200)
    for n, (key, one) in enumerate(found.present.items()):
        found.present[key] = replace(one, condition="ok", resolved_at=NOW + 1200 + n * 0.8)
    now = NOW + 1200
    while now < NOW + 3 * HOUR_S:
        found.tick(now)
        now += TICK_S * 6
    heard = [one for one in found.present.values() if "ops" in one.told]
    assert all(one.told["ops"].resolved for one in heard)
    assert len(heard) > 2000
    assert len(found.messages) <= MOST


def test_digests_of_a_storm_that_lasts_come_more_and_more_rarely():
    found = Simulated()
    found.live(storm(1000, 5 * HOUR_S, critical=0.0), NOW + 5 * HOUR_S)
    minutes = [round(gap / 60) for gap in found.gaps()]
    doubling = minutes[minutes.index(1) :]
    assert doubling[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(doubling[7:]) == {60}


def test_when_it_is_quiet_again_six_go_at_once():
    found = Simulated()
    found.live(storm(1000, HOUR_S), NOW + HOUR_S)
    level = pacing.pace(found.messages, NOW + HOUR_S, POLICY, critical=False)
    assert level.room(NOW + HOUR_S) == 0
    quiet = found.messages[-1].created_at + POLICY.digest_most_s + POLICY.most * POLICY.refill_s
    assert level.room(quiet) == POLICY.burst
    assert level.room(quiet - 12 * POLICY.refill_s) < POLICY.burst


def test_six_an_hour_are_never_held_back():
    found = Simulated()
    alerts = [
        replace(MODEL, key=f"run/lora/{n}", since=NOW + n * POLICY.refill_s, owner=None)
        for n in range(60)
    ]
    for one in alerts:
        found.present = {one.key: one}  # the others ended
        found.tick(one.since + POLICY.group_wait_s)
    assert len(found.messages) == 60


def test_who_ends_the_controller_changes_nothing():
    """The pace follows from the messages that lie in the journal, in whatever order."""
    found = Simulated()
    found.live(storm(500, 1200.0), NOW + 1200)
    one = pacing.pace(found.messages, NOW + 1300, POLICY, critical=False)
    mixed = random.Random(1).sample(found.messages, len(found.messages))  # noqa: S311  no secret
    assert pacing.pace(mixed, NOW + 1300, POLICY, critical=False) == one


@st.composite
def patterns(draw: st.DrawFn) -> list[Alert]:
    """Return alerts in any pattern within an hour: alone, in waves, as streams."""
    found: list[Alert] = []
    for stream in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, 3600))
        step = draw(st.sampled_from([0, 5, 10, 60, 130, 300, 600, 720]))
        severity = draw(st.sampled_from(["warning", "critical"]))
        for n in range(draw(st.integers(1, 120))):
            since = begin + n * step
            if since > HOUR_S:
                break
            key = f"kind{n % 5}/p{stream}/{n}"
            found.append(
                replace(MODEL, key=key, severity=severity, project=f"p{stream}", since=NOW + since)
            )
    return found


@settings(max_examples=30, deadline=None)
@given(patterns())
def test_in_any_pattern_each_is_told_the_first_six_at_once_and_all_in_few(arrivals: list[Alert]):
    found = Simulated()
    found.live(arrivals, NOW + 4 * HOUR_S)
    assert set(found.first) == {one.key for one in arrivals}
    early = sorted(arrivals, key=lambda one: one.since)[: POLICY.burst]
    for one in early:
        assert found.first[one.key] - one.since <= POLICY.group_wait_s + TICK_S
    assert len(found.messages) <= MOST
