"""Acknowledging an alert for a time, and giving it back."""

import time

import pytest

from services.actions.action import Context
from services.actions.alerts import AcknowledgeAlert, ReleaseAlert
from services.actions.executor import Executor
from services.alerting import deciding, store
from services.alerting.models import Event, Policy
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.retraining import outcomes
from tests.services.actions.test_alerts import done, fired, person


def test_an_operator_says_for_how_long(context: Context, executor: Executor):
    one = fired(context)
    action = AcknowledgeAlert(one.id, "p", "on it", 3600.0)
    assert "for 1 hour, unless it gets worse" in action.consequences(context)[0]
    assert "for 1 day" in AcknowledgeAlert(one.id, "p").consequences(context)[0]
    record = done(executor, action)
    found = store.alert(context.journal, one.id)
    assert found.acknowledged_at is not None
    assert found.acknowledged_until == found.acknowledged_at + 3600.0
    assert record.result.startswith("owner looks after it until ")


@pytest.mark.parametrize("for_s", [0.0, -1.0, float("nan"), float("inf"), 7 * 86_400.0 + 1])
def test_a_time_that_is_none_or_too_long_is_refused(
    context: Context, executor: Executor, for_s: float
):
    one = fired(context)
    with pytest.raises(InputError, match="up to 7 days"):
        done(executor, AcknowledgeAlert(one.id, "p", "", for_s))
    assert store.alert(context.journal, one.id).owner is None


def test_an_operator_gives_back_what_another_acknowledged(context: Context, executor: Executor):
    one = fired(context)
    done(executor, AcknowledgeAlert(one.id, "p"))
    action = ReleaseAlert(one.id, "p")
    assert "owner looks after 'It broke' no more" in action.consequences(context)[0]
    record = done(executor, action, person(context, "ben", "operator"))
    found = store.alert(context.journal, one.id)
    assert (found.state, found.owner, found.left_by) == ("firing", None, "owner")
    led_to = outcomes.of_alerts(context.journal, [found])[one.id]
    assert record.id in [deed.id for deed in led_to.deeds]
    assert led_to.others == ()  # the alert's own lines tell it


def test_who_may_not_and_what_cannot_be_given_back(context: Context, executor: Executor):
    one, other = fired(context), fired(context, "disk/d", None)
    with pytest.raises(ConflictError, match="Nobody looks after"):
        done(executor, ReleaseAlert(one.id, "p"))
    done(executor, AcknowledgeAlert(one.id, "p"))
    done(executor, AcknowledgeAlert(other.id, None))
    with pytest.raises(DeniedError):
        done(executor, ReleaseAlert(one.id, "p"), person(context, "vera", "viewer"))
    scoped = person(context, "sam", "operator", ("p",))
    for stranger in (ReleaseAlert(other.id, None), ReleaseAlert(other.id, "p")):
        with pytest.raises((DeniedError, NotFoundError)):
            done(executor, stranger, scoped)
    with pytest.raises(NotFoundError):
        done(executor, ReleaseAlert(999, "p"))
    assert store.alert(context.journal, other.id).owner == "owner"
    over = Event("run/p/sgd", time.time() + 1, "ok", said="Well.")
    deciding.decide(context.journal, [over], time.time() + 2, Policy())
    with pytest.raises(ConflictError, match=r"has ended: Well\."):
        done(executor, ReleaseAlert(one.id, "p"))
