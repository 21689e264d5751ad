"""kill -9 in a storm: no alert is missed, and at most one message is doubled a kill."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting import channels, outbox, store
from services.home import Home
from tests.services.alerting import drill
from tests.services.alerting.things import channel, event

KILLS = 10
EACH = 60
"""Events a kill."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_none_is_missed_and_one_doubled_a_kill_at_most(
    journal: Journal, url: str, home: Home, tmp_path: Path
):
    for name in ("ops", "boss"):
        channels.put(journal, channel(name, reference=channels.keep_address(home, "json://h/")))
    sent, rng = tmp_path / "sent.jsonl", random.Random(7)  # noqa: S311  no secret
    posted = kills = 0
    while kills < KILLS:
        before = len(drill.arrived(sent))
        process = drill.begun(url, home, sent)
        store.post(
            journal,
            [
                event(f"run/p{n % 9}/{n}", time.time(), project=f"p{n % 9}")
                for n in range(posted, posted + EACH)
            ],
        )
        posted += EACH
        # Not before it sends: most of its life would be its start.
        while len(drill.arrived(sent)) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        kills += drill.kill(process)
    assert drill.begun(url, home, sent).wait(timeout=120) == 0
    arrived = drill.arrived(sent)
    alerts = {one.id for one in store.alerts(journal, limit=9999)}
    assert len(alerts) == posted
    for name in ("ops", "boss"):
        told = {a for one in arrived if one["channel"] == name for a in one["alerts"]}
        assert told == alerts
    times = Counter((one["channel"], one["id"]) for one in arrived)
    doubled = sum(count - 1 for count in times.values())
    assert doubled <= kills
    assert drill.waiting(journal) == 0
    written = [a for m in outbox.messages(journal, limit=9999) for a in m.alerts]
    assert len(written) == 2 * posted, "an alert stands in two messages of a channel"
