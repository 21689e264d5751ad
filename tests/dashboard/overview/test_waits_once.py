"""A retraining that waits is one thing in the inbox: its alert, as soon as there is one."""

from dataclasses import replace

import pytest

from dashboard.overview import needs
from services.actions.roles import Actor
from services.alerting.rules import retraining
from services.retraining.models import Evidence
from tests.services.alerting.things import alert
from tests.services.retraining.things import NOW, ended, proposal

ANA = Actor("ana", "approver")


def test_its_alert_tells_it_in_whatever_state_people_put_it():
    one = proposal()
    waits = needs.of_proposals((one,), ANA)
    assert needs.untold(waits, ["drift/lora/net/data", retraining.ended_key(one)]) == waits
    assert needs.untold(waits, [retraining.waits_key(one)]) == ()
    another = needs.of_proposals((replace(one, id=2),), ANA)
    assert needs.untold(another, [retraining.waits_key(one)]) == another


@pytest.mark.parametrize(
    ("role", "label", "page"),
    [("approver", "Decide", "monitoring"), ("operator", "Look", "alerts")],
)
def test_it_leads_to_where_it_is_decided_about_who_may(role: str, label: str, page: str):
    (said,) = retraining.events((proposal(),), {}, {}, {}, NOW, frozenset())
    (need,) = needs.of_alerts([replace(alert(said), id=5)], Actor("ana", role))  # type: ignore[arg-type]
    assert (need.label, need.page) == (label, page)
    assert need.params == ({"retraining": "1"} if label == "Decide" else {"alert": "5"})


def test_who_asked_for_it_looks_and_another_decides():
    asked = proposal(requested_by="ana", evidence=(Evidence(NOW, "It is wrong.", by="ana"),))
    (said,) = retraining.events((asked,), {}, {}, {}, NOW, frozenset())
    for who, label in ((ANA, "Look"), (Actor("ben", "approver"), "Decide")):
        (need,) = needs.of_alerts([replace(alert(said), id=5)], who)
        assert need.label == label


def test_a_bad_end_is_looked_at_and_not_decided():
    (said,) = retraining.events((ended("failed", NOW),), {}, {}, {}, NOW, frozenset())
    (need,) = needs.of_alerts([replace(alert(said), id=5)], ANA)
    assert (need.label, need.page) == ("Look", "alerts")


def test_the_alert_stands_where_the_decision_stood():
    asked = proposal(requested_by="mira", evidence=(Evidence(NOW, "It is wrong.", by="mira"),))
    for one in (proposal(), asked):
        (said,) = retraining.events((one,), {}, {}, {}, NOW, frozenset())
        (need,) = needs.of_proposals((one,), ANA)
        assert need.severity == said.severity == "warning"
