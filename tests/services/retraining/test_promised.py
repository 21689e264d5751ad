"""A promised accuracy that is missed leads to a retraining, whoever else says so, too."""

import pytest

from services.actions.retraining import DismissRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.alerting import channels, deciding
from services.alerting import store as alerts
from services.alerting.models import Channel, Event, Policy, Silence
from services.alerting.rules import drift, objectives
from services.objectives.models import Burn, Objective, Standing
from services.retraining import store as retraining
from services.retraining.models import BY_POLICY
from tests.services.retraining.lab import ANA, OPS, Lab

BOUND = Objective("accuracy", 3.5, 7, metric="mae")
MINE = frozenset({"accuracy/lora.net"})
LABELS = {"project": "lora", "model": "net", "version": "2", drift.TWIN: "lora.net"}


def decided(lab: Lab, *events: Event) -> None:
    deciding.decide(lab.context.journal, events, lab.now(), Policy(), "")


def promised(lab: Lab, state: str = "missed") -> int:
    """Have the rule of objectives look; return its alert's id."""
    one = Standing("lora", "net", BOUND, state, "Mean absolute error 4.")  # type: ignore[arg-type]
    decided(lab, *objectives.events([one], ["lora.net"], lab.now(), MINE))
    return alerts.alerts(lab.context.journal, key="accuracy/lora.net", ended=True)[0].id


def checked(lab: Lab, state: str = "firing", severity: str = "critical") -> int:
    """Have a drift check say that accuracy is lost."""
    explains = (f"{drift.TWIN}:lora.net",)
    return lab.alert("accuracy", severity, state, explains=explains, labels=LABELS,
                     said="Beyond the bound of 3.5.", project="lora")  # fmt: skip


def state(lab: Lab, number: int) -> str:
    return alerts.alert(lab.context.journal, number).state


def look(lab: Lab) -> None:
    lab.later(0.01)
    lab.watch.turn()


def test_a_promise_that_is_missed_is_proposed_for_before_any_check(lab: Lab):
    number = promised(lab)
    look(lab)
    one = lab.one()
    assert (one.state, one.requested_by, one.alerts) == ("open", BY_POLICY, (number,))
    assert (one.version, one.why) == (2, "Mean absolute error 4.")


@pytest.mark.parametrize("kind", ["errors", "latency"])
def test_errors_and_slow_answers_are_not_trained_away(lab: Lab, kind: str):
    bound_ms = 250.0 if kind == "latency" else None
    burn = Burn(3600.0, 300.0, 14.4, "critical", 20.0, 30.0, "firing", 1000, 200, 25)
    of = Objective(kind, 0.99, 30, bound_ms)  # type: ignore[arg-type]
    one = Standing("lora", "net", of, "missed", "It is.", burns=(burn,))
    decided(lab, *objectives.events([one], ["lora.net"], lab.now(), frozenset()))
    assert [a.state for a in alerts.alerts(lab.context.journal)] == ["firing"]
    look(lab)
    assert not retraining.proposals(lab.context.journal)


def test_two_alerts_of_one_bound_are_one_proposal_that_lasts_as_long_as_one_of_them(lab: Lab):
    first = promised(lab)
    look(lab)
    second = checked(lab)
    look(lab)
    assert (state(lab, first), state(lab, second)) == ("firing", "inhibited")
    assert (lab.one().state, lab.one().alerts) == ("open", (first,))
    promised(lab, "met")
    look(lab)
    assert (state(lab, first), state(lab, second)) == ("resolved", "firing")
    assert (lab.one().state, lab.one().alerts) == ("open", (first, second))
    checked(lab, "ok")
    look(lab)
    assert lab.one().state == "dismissed"
    assert len(retraining.proposals(lab.context.journal)) == 1


def test_a_proposal_outlasts_that_its_alert_is_explained_by_the_other(lab: Lab):
    second = checked(lab, severity="warning")  # worse than it was, within the bound
    look(lab)
    first = promised(lab)
    look(lab)
    assert (state(lab, first), state(lab, second)) == ("firing", "inhibited")
    one = lab.one()
    assert (one.id, one.state, one.severity, one.alerts) == (1, "open", "critical", (second, first))
    promised(lab, "unknown")
    look(lab)
    assert lab.one().state == "open"
    lab.done(DismissRetraining(1, "lora", "A sensor was broken."), OPS)
    look(lab)
    assert len(retraining.proposals(lab.context.journal)) == 1


def test_one_that_nobody_can_see_now_does_not_hide_the_other(lab: Lab):
    channels.put(lab.context.journal, Channel("ops", "json"))
    first = promised(lab)
    lab.later(0.01)
    decided(lab)
    second = checked(lab)
    promised(lab, "unknown")
    assert (state(lab, first), state(lab, second)) == ("unknown", "inhibited"), "it was told"
    look(lab)
    assert lab.one().alerts == (second,)
    lab.done(SetRetrainingPolicy("lora", "automatic", min_severity="critical"), ANA)
    look(lab)
    assert lab.one().state == "accepted"


def test_a_silence_over_the_one_is_a_silence_over_the_other(lab: Lab):
    channels.put(lab.context.journal, Channel("ops", "json"))
    first = promised(lab)
    lab.later(0.01)
    decided(lab)
    now = lab.now()
    silence = Silence(0, "accuracy/*", "lora", "ops", "known", now, now + 3600)
    alerts.add_silence(lab.context.journal, silence, 1)
    second = checked(lab)
    promised(lab, "unknown")
    assert (state(lab, first), state(lab, second)) == ("unknown", "inhibited")
    look(lab)
    assert not retraining.proposals(lab.context.journal)


def test_a_policy_that_hears_what_is_critical_goes_by_the_alert_that_is_told(lab: Lab):
    lab.done(SetRetrainingPolicy("lora", "automatic", min_severity="critical"), ANA)
    checked(lab, severity="warning")
    look(lab)
    assert not retraining.proposals(lab.context.journal)
    promised(lab)
    look(lab)
    assert (lab.one().state, lab.one().approved_by) == ("accepted", BY_POLICY)


def test_what_is_over_for_the_version_that_answers_is_proposed_no_more(lab: Lab):
    number = promised(lab)
    said = "Lately version 7 is within its bound of 3.5."
    for now, over, then in (("unknown", "", "unknown"), ("missed", said, "resolved")):
        one = Standing("lora", "net", BOUND, now, "x", version=7, over=over)  # type: ignore[arg-type]
        decided(lab, *objectives.events([one], ["lora.net"], lab.now(), MINE))
        assert state(lab, number) == then
        look(lab)
        assert not retraining.proposals(lab.context.journal)
