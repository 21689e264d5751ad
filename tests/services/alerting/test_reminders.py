"""Reminders go on as long as an alert fires; its severity says when others hear of it."""

from dataclasses import replace

import pytest

from services.alerting import telling
from services.alerting.models import Alert, Channel, Told
from tests.services.alerting.things import NOW, POLICY, alert, channel

HOUR_S, DAY_S = 3600.0, 86_400.0
OPS = channel(severity="info")
BOSS = channel("boss", severity="info", escalation=True)


def reminded(one: Alert, to: Channel, days: float, step_s: float = 300.0) -> list[float]:
    """Return after how many seconds a channel is reminded."""
    found = []
    for step in range(1, round(days * DAY_S / step_s) + 1):
        now = NOW + step * step_s
        if telling.due_for(one, to, now, POLICY) == "reminder":
            found.append(now - NOW)
            one = telling.told(one, to.name, now, POLICY)
    return found


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_the_last_reminder_comes_again_each_day(severity: str):
    one = telling.told(alert(severity=severity), "ops", NOW, POLICY)
    days = [day * DAY_S for day in range(2, 11)]
    assert reminded(one, OPS, 10) == [*POLICY.remind_s, *days]


@pytest.mark.parametrize(
    "quiet", [{"owner": "ana"}, {"silence": 1}, {"inhibited_by": "engine/a"}, {"resolved_at": NOW}]
)
def test_not_while_somebody_looks_after_it_or_it_is_kept_quiet_or_over(quiet: dict):
    one = telling.told(alert(), "ops", NOW, POLICY)
    assert reminded(replace(one, **quiet), OPS, 3) == []


def test_a_controller_that_was_away_for_days_reminds_once():
    one = telling.told(alert(), "ops", NOW, POLICY)
    now = NOW + 5.5 * DAY_S
    assert telling.due_for(one, OPS, now, POLICY) == "reminder"
    one = telling.told(one, "ops", now, POLICY)
    assert telling.due_for(one, OPS, NOW + 6 * DAY_S - 1, POLICY) is None
    assert telling.due_for(one, OPS, NOW + 6 * DAY_S, POLICY) == "reminder"


def test_after_a_clock_was_set_back_the_next_one_is_a_day_off_at_most():
    many = replace(alert(), told={"ops": Told(NOW + 400 * DAY_S, "warning", level=200)})
    assert telling.due_for(many, OPS, NOW, POLICY) == "reminder"
    one = telling.told(many, "ops", NOW, POLICY)
    assert reminded(one, OPS, 2.5) == [DAY_S, 2 * DAY_S]


@pytest.mark.parametrize(
    ("severity", "first"), [("critical", 900.0), ("warning", HOUR_S), ("info", None)]
)
def test_its_severity_says_when_a_channel_for_escalation_hears_of_it(
    severity: str, first: float | None
):
    one = telling.told(alert(severity=severity), "ops", NOW, POLICY)
    heard = reminded(one, BOSS, 4)
    if first is None:
        assert heard == []
    else:
        later = [*POLICY.remind_s, 2 * DAY_S, 3 * DAY_S]
        assert heard == [first, *(first + seconds for seconds in later)]


def test_a_warning_that_gets_critical_is_escalated_by_what_it_is_now():
    one = telling.told(alert(), "ops", NOW, POLICY)
    now = NOW + 1800
    assert telling.due_for(one, BOSS, now, POLICY) is None
    assert telling.due_for(replace(one, severity="critical"), BOSS, now, POLICY) == "reminder"


def test_what_nobody_else_was_told_of_is_escalated_from_its_begin():
    one = alert(severity="critical")
    assert telling.due_for(one, BOSS, NOW + 899, POLICY) is None
    assert telling.due_for(one, BOSS, NOW + 900, POLICY) == "reminder"


def test_a_day_of_a_storm_that_nobody_acknowledges_is_few_messages():
    """Many alerts, all reminders of ten days: one message a day."""
    present = {
        one.key: one
        for number in range(300)
        for one in [
            alert(
                key=f"run/p{number % 9}/{number}", project=f"p{number % 9}",
                severity="critical" if number % 10 == 0 else "warning",
            )
        ]
    }  # fmt: skip
    for key, one in present.items():
        present[key] = telling.told(one, "ops", NOW, POLICY)
    counts = []
    for day in range(1, 11):
        now = NOW + day * DAY_S
        drafts = telling.drafts(present.values(), [OPS], [], now, POLICY)
        counts.append((len(drafts), sum(len(draft.alerts) for draft in drafts)))
        for draft in drafts:
            for one in draft.alerts:
                present[one.key] = telling.told(one, "ops", now, POLICY)
    assert counts == [(1, 300)] * 10
