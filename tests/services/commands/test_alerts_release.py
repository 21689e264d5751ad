"""``mlops alerts ack --for`` and ``release``, without a controller: this process executes."""

import json

from services.actions.journal import Journal
from services.alerting import store
from services.settings import Settings
from tests.services.commands.test_alerts import Typed, fire, home, run_event, typed

__all__ = ["home", "typed"]


def test_one_is_acknowledged_for_a_time_and_given_back(typed: Typed):
    fire(run_event(), run_event("run/lora/adam", severity="warning"))
    numbers = [str(row["id"]) for row in json.loads(typed("list", "--json").output)]
    typed("ack", *numbers, "--for", "90m", "--note", "on it")
    journal = Journal.open(Settings())
    for one in store.alerts(journal):
        assert one.acknowledged_until == (one.acknowledged_at or 0.0) + 5400
    shown = typed("show", numbers[0]).output
    assert " looks after it until " in shown
    document = json.loads(typed("show", numbers[0], "--json").output)
    assert document["acknowledged_until"].endswith("Z")
    assert "Give back alert" in typed("release", *numbers).output
    assert {one.owner for one in store.alerts(journal)} == {None}
    assert "still open." in typed("show", numbers[0]).output
    assert "taken-back" in typed("show", numbers[0]).output
    journal.close()
    refused = typed("release", *numbers, code=1).output
    assert "2 of 2 alerts could not be given back." in refused
    for length in ("soon", "8d", "0m"):
        typed("ack", numbers[0], "--for", length, code=2)
