"""How rules are asked together, and which of their answers are written."""

from dataclasses import replace

from services.alerting import looking
from services.alerting.looking import Rule
from services.alerting.models import Event
from services.errors import PlatformError
from tests.services.alerting.things import NOW, alert, event, ok, states


def test_a_rule_that_cannot_look_makes_its_alerts_unknown_and_stops_no_other():
    def breaks(_now: float, _keys: frozenset[str]) -> tuple[Event, ...]:
        raise PlatformError("The disk is away.")

    rules = [
        Rule(frozenset({"run"}), breaks),
        Rule(frozenset({"disk"}), lambda now, _: (event("disk/d", now),)),
    ]
    found = looking.heard(rules, ["run/lora/sgd", "posted/x"], NOW)
    assert states(found) == {"run/lora/sgd": "unknown", "disk/d": "firing"}
    assert found[0].said == "Nobody can tell now: The disk is away."


def test_an_open_alert_of_which_its_rule_says_nothing_is_unknown():
    rule = Rule(frozenset({"run"}), lambda _now, _keys: ())
    assert states(looking.heard([rule], ["run/a"], NOW)) == {"run/a": "unknown"}


def test_what_lasts_is_written_now_and_then():
    one = alert()
    known = {one.key: one}

    def worth(said: Event, now: float) -> bool:
        return bool(looking.news([said], known, now))

    assert not worth(event(), NOW + 9999), "of the same moment"
    assert not worth(event(at=NOW + 5), NOW + 5)
    assert worth(event(at=NOW + 300), NOW + 300)
    assert worth(event(at=NOW + 5, severity="critical"), NOW + 5)
    assert worth(ok(at=NOW + 5), NOW + 5)
    assert worth(event("run/new", NOW), NOW)
    assert not worth(ok("run/new"), NOW + 60)
    unseen = {one.key: replace(one, condition="unknown")}
    assert looking.news([event()], unseen, NOW + 9), "it is seen again"
    over = {one.key: replace(one, condition="ok", resolved_at=NOW + 5, last_at=NOW + 5)}
    assert not looking.news([event(), ok(at=NOW + 9)], over, NOW + 9)
    assert looking.news([event(at=NOW + 8)], over, NOW + 9)
