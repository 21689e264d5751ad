"""The alerts of one endpoint, in however large a storm of its project."""

import time

from services.actions.journal import Journal
from services.alerting import asking, deciding
from services.alerting.models import Policy
from tests.services.alerting.things import event, ok

WAIT = Policy(group_wait_s=0.0)
NAME = "lora.net"


def told(journal: Journal, *keys: str, at: float, **labels: str) -> None:
    deciding.decide(journal, [event(key, at, labels=labels) for key in keys], at, WAIT)


def test_an_alert_of_an_endpoint_is_found_behind_hundreds_of_others(journal: Journal):
    now = time.time()
    told(journal, "drift/lora/net/data", at=now - 60, endpoint=NAME)
    told(journal, *(f"run/lora/{n}" for n in range(300)), at=now, run="r")
    found, count = asking.of_endpoint(journal, "lora", NAME, limit=3)
    assert ([one.key for one in found], count) == (["drift/lora/net/data"], 1)


def test_all_are_counted_and_the_newest_are_returned(journal: Journal):
    now = time.time()
    for place in range(5):
        told(journal, f"drift/lora/net/{place}", at=now + place, endpoint=NAME)
    found, count = asking.of_endpoint(journal, "lora", NAME, limit=2)
    assert ([one.key for one in found], count) == (["drift/lora/net/4", "drift/lora/net/3"], 5)


def test_what_has_ended_or_is_of_another_is_not_among_them(journal: Journal):
    now = time.time()
    told(journal, "drift/lora/net/data", at=now - 60, endpoint=NAME)
    deciding.decide(journal, [ok("drift/lora/net/data", now)], now, WAIT)
    told(journal, "drift/lora/Net/data", at=now, endpoint="lora.Net")
    told(journal, "drift/lora/net2/data", at=now, endpoint="lora.net2")
    told(journal, "run/lora/net", at=now, run=NAME)
    other = event("drift/clip/net/data", now, project="clip", labels={"endpoint": NAME})
    quoted = event("run/lora/q", now, title='it said "endpoint": "lora.net"')
    deciding.decide(journal, [other, quoted], now, WAIT)
    assert asking.of_endpoint(journal, "lora", NAME, limit=9) == ((), 0)


def test_a_name_with_signs_is_found(journal: Journal):
    name = 'lora.n"e\\t_%ü'
    told(journal, "drift/lora/x/data", at=time.time(), endpoint=name)
    assert asking.of_endpoint(journal, "lora", name, limit=9)[1] == 1
