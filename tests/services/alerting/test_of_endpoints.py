"""How many alerts each endpoint has, of all endpoints at once."""

import time

from services.actions.journal import Journal
from services.alerting import asking, deciding, store
from services.alerting.asking import Count
from services.alerting.models import Policy
from tests.services.alerting.things import event, ok

WAIT = Policy(group_wait_s=0.0)
NAME = "lora.net"


def test_alerts_are_counted_by_endpoint_with_the_worst_that_is_loud(journal: Journal):
    now, mine = time.time(), {"endpoint": NAME}
    told = [
        event("drift/lora/net/data", now - 9, severity="warning", labels=mine),
        event("latency/lora.net", now - 8, severity="critical", labels=mine),
        event("load/lora.net", now - 7, severity="info", labels=mine),
        event("drift/clip/net/data", now, project="clip", labels={"endpoint": "clip.net"}),
        event("run/lora/1", now, labels={"run": NAME}, title='it said "endpoint": "lora.net" \x01'),
        event("disk", now, project=None, labels={"disk": "/"}),
    ]
    deciding.decide(journal, told, now, WAIT)
    ended = [ok("latency/lora.net", now)]
    counts = asking.of_endpoints(journal)
    assert counts == {
        ("lora", NAME): Count(3, "critical"), ("clip", "clip.net"): Count(1, "warning"),
    }  # fmt: skip
    deciding.decide(journal, ended, now, WAIT)
    assert asking.of_endpoints(journal)["lora", NAME] == Count(2, "warning")


def test_what_is_looked_after_is_loud_and_what_nobody_can_tell_is_not(journal: Journal):
    now = time.time()
    told = [
        event("drift/lora/net/data", now - 9, labels={"endpoint": NAME}),
        event("drift/clip/net/data", now - 9, project="clip", labels={"endpoint": "clip.net"}),
    ]
    deciding.decide(journal, told, now, WAIT)
    first, second = sorted(asking.places(journal), key=lambda one: one.key, reverse=True)
    store.acknowledge(journal, first.id, "ana", "", now)
    away = event(second.key, now, "unknown", project="clip", said="Nobody can tell.")
    deciding.decide(journal, [away], now, WAIT)
    assert asking.of_endpoints(journal) == {
        ("lora", NAME): Count(1, "warning"), ("clip", "clip.net"): Count(1, None),
    }  # fmt: skip
