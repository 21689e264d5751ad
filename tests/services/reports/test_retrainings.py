"""Retrainings in the report, and that an alert is answered by what is about it alone."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting import store as alerts
from services.alerting.models import Event, Policy
from services.home import Home
from services.reports.html import page
from services.retraining import models, store
from services.retraining.models import BY_POLICY, Data, Evidence, Gain, Proposal, Range
from services.settings import Settings
from tests.lineage_seed import CLIP, LORA
from tests.services.reports.conftest import Ask, figures, section, table

HOUR, DAY = 3600.0, 86_400.0
NOW = time.time()
TITLE = "Alerts, and what was done"


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    opened = Journal.open(Settings())
    yield opened
    opened.close()


def trained(journal: Journal, ago: float, alert: int | None = None, **said: object) -> Proposal:
    """Write a retraining that was proposed some time ago, as it stands now."""
    at = NOW - ago
    draft = Proposal(
        0, LORA, LORA, 1, alert, "feed", "The inputs moved.",
        Data("ab" * 8, "cd" * 8, newer=True, said="Version abab."), Range(10.0, 8.0, 14.0, 5),
        Range(500.0, 400.0, 700.0, 5), None, "open", BY_POLICY, at,
        evidence=(Evidence(at, "It moved.", alert, "warning"),),
    )  # fmt: skip
    kept = store.put(journal, replace(draft, **{k: v for k, v in said.items() if k == "project"}))  # type: ignore[arg-type]
    return store.change(journal, kept.id, lambda now: (replace(now, **said), ()))  # type: ignore[arg-type]


def promoted(journal: Journal, ago: float, **said: object) -> Proposal:
    given: dict[str, object] = {
        "state": "promoted", "approved_by": BY_POLICY, "decided_at": NOW - ago + 60,
        "reason": "The project's policy allows it: 0 of 3 in seven days.",
        "workflow": (f"{LORA}.retrain", f"at-{ago:g}"), "candidate": 2, "took_minutes": 12.0,
        "took_joules": 650.0, "ended_at": NOW - ago + HOUR, "change": 0.02,
        "judged": "No guard spoke.",
        "gain": Gain("accuracy", "max", Range(0.01, 0.01, 0.01, 1)),
    }  # fmt: skip
    return trained(journal, ago, **{**given, **said})


def raised(journal: Journal, ago: float, model: str = LORA, **more: object) -> int:
    labels = {"endpoint": f"{LORA}.{model}", "model": model}
    key = str(more.get("key", f"drift/{LORA}/{model}/data"))
    one = Event(key, NOW - ago, "firing", "critical", LORA, f"{model} drifted", labels=labels)
    deciding.decide(journal, [replace(one, **more)], NOW - ago, Policy())  # type: ignore[arg-type]
    return next(each.id for each in alerts.alerts(journal) if each.key == key)


def deed(journal: Journal, ago: float, title: str, kind: str = "deploy", **more: object) -> None:
    params = {"project": LORA, **{k: v for k, v in more.items() if k not in {"actor", "subject"}}}
    row = {
        "key": title, "kind": kind, "project": LORA, "title": title, "params": json.dumps(params),
        "memory": "{}", "actor": more.get("actor", "mira"), "actor_kind": "user",
        "actor_role": "operator", "state": "done", "error": "", "hint": "", "result": "",
        "attempts": 1, "submitted_ms": round((NOW - ago) * 1000),
        "subject": more.get("subject", ""),
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(schema.actions.insert().values(**row))


def test_a_retraining_is_told_from_its_reason_to_what_came_of_it(ask: Ask, journal: Journal):
    alert = raised(journal, 2 * DAY)
    one = promoted(journal, DAY, alert=alert)
    (row,) = table(ask(), "drift", "Retrainings")
    assert row[1:] == (
        f"{one.id}: {LORA}.{LORA}", "The inputs moved.", f"{'ab' * 8}, other than before",
        "the policy accepted it: The project's policy allows it: 0 of 3 in seven days.",
        "12 min, 650 J (10 min, 500 J)", "promoted, version 2: No guard spoke.",
        "accuracy +0.02, better",
    )  # fmt: skip
    (answered,) = table(ask(), "drift", TITLE)
    assert answered[7] == f"retraining {one.id}: promoted, by {BY_POLICY}"
    text = page(ask())
    assert "No guard spoke." in text


def test_figures_stand_against_the_period_before(ask: Ask, journal: Journal):
    promoted(journal, 10 * DAY, took_minutes=5.0, took_joules=100.0)
    promoted(journal, 3 * DAY)
    promoted(journal, 2 * DAY, took_joules=None, state="dropped", change=-0.1)
    promoted(
        journal,
        DAY,
        state="failed",
        took_minutes=None,
        took_joules=None,
        candidate=None,
        change=None,
    )
    found = figures(ask(), "drift")
    assert found["Retrainings proposed"] == (3, 1)
    assert found["Retrainings promoted"] == (1, 1)
    assert found["Retrainings dropped"] == (1, 0)
    assert found["Retrainings failed"] == (1, 0)
    assert found["Retraining took"] == (24 * 60, 5 * 60)
    assert found["Energy of retraining"] == (650.0, 100.0)
    sources = {one.label: one.source for one in section(ask(), "drift").figures}
    assert sources["Retraining took"].endswith("2 of 3 tell it")
    assert sources["Energy of retraining"].endswith("1 of 3 tell it")
    rows = table(ask(), "drift", "Retrainings")
    assert [row[6].split(",")[0].split(":")[0] for row in rows] == ["failed", "dropped", "promoted"]
    assert rows[0][5].startswith("time not known, energy not known")
    assert (rows[0][7], rows[1][7]) == ("–", "accuracy -0.1, worse")


def test_what_no_retraining_tells_is_not_known_and_nothing_trained_is_nothing_spent(
    ask: Ask, journal: Journal
):
    assert figures(ask(), "drift")["Retraining took"] == (0.0, 0.0)
    assert "Nothing was to be trained again." in page(ask())
    promoted(journal, DAY, took_minutes=None, took_joules=None)
    assert figures(ask(), "drift")["Retraining took"] == (None, 0.0)
    assert figures(ask(), "drift")["Energy of retraining"] == (None, 0.0)


def test_one_that_waits_says_who_asked_and_why_it_was_not_accepted(ask: Ask, journal: Journal):
    trained(journal, HOUR, refused="The project's policy asks a person first.")
    (row,) = table(ask(), "drift", "Retrainings")
    assert row[4] == "nobody yet; The project's policy asks a person first."
    assert row[5] == "– (10 min, 500 J)"
    assert row[6:] == ("open", "–")


def test_one_of_another_project_or_time_is_not_told(ask: Ask, journal: Journal):
    promoted(journal, 30 * DAY)
    assert table(ask(), "drift", "Retrainings") == []
    assert figures(ask(), "drift")["Retrainings proposed"] == (0, 0)
    promoted(journal, DAY)
    assert table(ask(CLIP), "drift", "Retrainings") == []
    assert len(table(ask(LORA), "drift", "Retrainings")) == 1


def test_a_budget_stands_with_what_was_spent_of_it(ask: Ask, journal: Journal):
    allowed = models.Policy("automatic", most_per_week=2, budget_minutes=60.0)
    store.set_policy(journal, LORA, allowed, "ana", NOW)
    promoted(journal, 8 * DAY)
    promoted(journal, DAY)
    promoted(journal, HOUR * 2, took_joules=None)
    title = "Policies, and what was spent in the last seven days"
    assert table(ask(), "drift", title) == [
        (LORA, "the policy itself", "2 of 2", "24 of 60", "650 (no bound); of 1 not known")
    ]
    assert table(ask(CLIP), "drift", title) == []
    promoted(journal, 5 * DAY)
    for period in ("24h", "7d"):
        (row,) = table(ask(period=period), "drift", title)
        assert row[2:4] == ("3 of 2", "36 of 60"), period


def test_one_that_ended_within_seven_days_and_one_that_goes_on_count_as_for_the_policy(
    ask: Ask, journal: Journal
):
    promoted(journal, 9 * DAY, ended_at=NOW - 2 * DAY)
    promoted(journal, DAY, state="running", took_minutes=None, ended_at=None)
    title = "Policies, and what was spent in the last seven days"
    (row,) = table(ask(), "drift", title)
    assert row[2:4] == ("2 of 3", "22 (no bound)")


def test_what_is_of_another_model_answers_no_alert(ask: Ask, journal: Journal):
    raised(journal, 2 * DAY)
    deed(journal, DAY, "Roll back", model=LORA)
    deed(journal, DAY, "Deploy another", model="other", actor="ben")
    deed(journal, 3 * DAY, "Deploy before", model=LORA)
    (row,) = table(ask(), "drift", TITLE)
    assert row[7] == (
        "Roll back (mira); meanwhile in the project, not about it: Deploy another (ben)"
    )


def test_what_merely_happened_meanwhile_is_no_answer(ask: Ask, journal: Journal):
    raised(journal, 2 * DAY)
    deed(journal, DAY, "Deploy another", model="other")
    (row,) = table(ask(), "drift", TITLE)
    assert row[7] == ("nothing yet; meanwhile in the project, not about it: Deploy another (mira)")


def test_what_carries_the_thread_or_names_the_workflow_run_answers(ask: Ask, journal: Journal):
    raised(journal, 2 * DAY, labels={"workflow_run": "one"}, key="workflow/x")
    (alert,) = alerts.alerts(journal)
    deed(journal, DAY, "Launch", "workflow-launch", note=f"for {alert.thread}")
    deed(journal, DAY, "Clear", "workflow-clear", run_id="one")
    deed(journal, DAY, "Mark", "lineage-mark", subject=f"alert:{alert.id}")
    deed(journal, DAY, "Clear two", "workflow-clear", run_id="two")
    (row,) = table(ask(), "drift", TITLE)
    assert row[7] == (
        "Launch (mira); Clear (mira); Mark (mira); "
        "meanwhile in the project, not about it: Clear two (mira)"
    )


def test_one_that_was_accepted_and_never_launched_took_nothing(ask: Ask, journal: Journal):
    promoted(journal, DAY, workflow=None, state="failed", took_minutes=None, took_joules=None)
    assert figures(ask(), "drift")["Retraining took"] == (0.0, 0.0)
