"""Drift and actions in the report: verdicts, alerts and deeds against what was written."""

import json
import re
import time
from dataclasses import replace

import pytest

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import deciding, store
from services.alerting.models import Event, Policy
from services.home import Home
from services.monitoring.models import ColumnVerdict, Family, Severity, Verdict, VerdictState
from services.monitoring.store import VerdictStore, verdict_id
from services.reports.html import page
from services.settings import Settings
from tests.lineage_seed import CLIP, LORA
from tests.services.reports.conftest import HOSTILE, Ask, figures, table

HOUR, DAY = 3600.0, 86_400.0
NOW = time.time()


def verdict(
    ago: float,
    state: VerdictState = "steady",
    kind: Family = "data",
    project: str = LORA,
    severity: Severity = "none",
    column: str = "input.a",
) -> Verdict:
    at = NOW - ago
    moved = ColumnVerdict(
        column, "input", "numeric", "drifted" if state == "drifted" else "steady", 0.75, 0.1,
        "measure", 0.001, 10, 20, None, None, None, "said",
    )  # fmt: skip
    share = 0.25 if state == "drifted" else 0.0
    return Verdict(
        verdict_id(at), project, project, 1, kind, at, "evaluation", at - HOUR, at, 20,
        (moved, replace(moved, name="input.b", state="steady", effect=0.01)), share, severity,
        state, f"{kind} is {state}.",
    )  # fmt: skip


@pytest.fixture
def checked(home: Home) -> None:
    kept = VerdictStore(home)
    for one in (
        verdict(8 * DAY, "drifted", severity="low"), verdict(8 * DAY - HOUR),
        verdict(3 * DAY), verdict(2 * DAY, "drifted", severity="medium"),
        verdict(DAY, "drifted", severity="high", column=HOSTILE), verdict(HOUR, "too few"),
        verdict(HOUR, "steady", "prediction"), verdict(HOUR, "steady", project=CLIP),
    ):  # fmt: skip
        kept.record([one])
    kept.close()


def event(key: str, ago: float, state: str = "firing", **more: object) -> Event:
    title = f"The inputs of {LORA} drifted"
    labels = {"endpoint": f"{LORA}.{LORA}", "model": LORA}
    given = {"project": LORA, "severity": "critical", "title": title, "cause": "input.a",
             "labels": labels, **more}  # fmt: skip
    return Event(key, NOW - ago, state, **given)  # type: ignore[arg-type]


@pytest.fixture
def fired(home: Home) -> Journal:
    """One alert of last week, one of now that ana looks after, one of the platform, one ended."""
    journal = Journal.open(Settings())
    policy = Policy()
    told = [
        (8 * DAY, event("run/x", 8 * DAY)), (8 * DAY - HOUR, event("run/x", 8 * DAY - HOUR, "ok")),
        (2 * DAY, event(f"drift/{LORA}/{LORA}/data", 2 * DAY)),
        (DAY, event("disk/db", DAY, project=None, severity="warning", title="The disk is full")),
        (DAY - HOUR, event("disk/db", DAY - HOUR, "ok", said="6 GB are free.")),
    ]  # fmt: skip
    for ago, one in told:
        deciding.decide(journal, [one], NOW - ago, policy)
    number = next(one.id for one in store.alerts(journal, [LORA]))
    store.acknowledge(journal, number, "ana", "I look", NOW - 2 * DAY + 600)
    for ago, state, title in ((DAY, "done", "Roll back"), (HOUR, "failed", "Deploy version 3")):
        _action(journal, ago, state, title)
    _action(journal, 6 * DAY, "done", "Deploy version 1")
    return journal


def _action(
    journal: Journal, ago: float, state: str, title: str, model: str = LORA, key: str = ""
) -> None:
    row = {
        "key": key or f"{ago}", "kind": "deploy", "project": LORA, "title": title,
        "params": json.dumps({"project": LORA, "model": model}), "memory": "{}", "actor": "mira",
        "actor_kind": "user", "actor_role": "operator",
        "state": state, "error": "", "hint": "", "result": "", "attempts": 1,
        "submitted_ms": round((NOW - ago) * 1000),
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(schema.actions.insert().values(**row))


def test_checks_are_counted_against_the_period_before(ask: Ask, checked: None):
    found = figures(ask(), "drift")
    assert found["Checks"] == (6, 2)
    assert found["Deployments that drifted"] == (1, 1)
    assert figures(ask(CLIP), "drift")["Deployments that drifted"] == (0, None)


def test_of_a_deployment_it_is_told_how_often_how_bad_and_what_moved(ask: Ask, checked: None):
    rows = table(ask(), "drift", "Deployments")
    assert [row[:2] for row in rows] == [
        (f"{LORA}.{LORA}", "inputs"), (f"{CLIP}.{CLIP}", "inputs"),
        (f"{LORA}.{LORA}", "predictions"),
    ]  # fmt: skip
    drifted = rows[0]
    assert drifted[2:7] == ("4", "2 (50 %)", "1 (50 %)", "high", "25 %")
    assert "input.a by 0.75 (1×)" in drifted[7]
    assert "input.b" not in drifted[7]
    assert drifted[8] == "too few: data is too few."
    assert rows[1][3:7] == ("0", "not checked", "–", "–")


def test_where_nothing_was_checked_drift_is_not_known_and_no_folder_is_made(ask: Ask, home: Home):
    found = figures(ask(), "drift")
    assert found["Checks"] == (0, 0)
    assert found["Deployments that drifted"] == (None, None)
    assert table(ask(), "drift", "Deployments") == []
    assert not (home.root / "monitoring").exists()


def test_alerts_are_told_with_how_long_who_and_what_was_done(ask: Ask, fired: Journal):
    rows = table(ask(), "drift", "Alerts, and what was done")
    drift, disk = rows
    assert drift[1:5] == (LORA, "critical", f"The inputs of {LORA} drifted", "input.a")
    assert re.fullmatch(r"48(\.\d)? h so far", drift[5])
    assert drift[6] == "ana, after 10 min"
    assert drift[7] == "I look; Roll back (mira)"
    assert disk[1:4] == ("platform", "warning", "The disk is full")
    assert disk[5:] == ("1 h", "nobody", "ended: 6 GB are free.")


def test_alert_figures_are_of_those_that_began_in_the_period(ask: Ask, fired: Journal):
    found = figures(ask(), "drift")
    assert found["Alerts fired"] == (2, 1)
    assert found["Median until somebody looked"] == (pytest.approx(600), None)
    assert found["Median that an alert lasted"] == (pytest.approx(HOUR), pytest.approx(HOUR))
    assert figures(ask(LORA), "drift")["Alerts fired"] == (1, 1)


def test_a_project_tells_nothing_of_the_platform_or_of_others(
    ask: Ask, fired: Journal, checked: None
):
    text = page(ask(CLIP))
    assert "The disk is full" not in text
    assert LORA not in text


def test_an_alert_that_still_lasts_from_before_is_listed_and_not_counted(ask: Ask, fired: Journal):
    report = ask(period="36h")
    assert figures(report, "drift")["Alerts fired"] == (1, 1)
    assert len(table(report, "drift", "Alerts, and what was done")) == 2


def test_a_column_of_a_hostile_name_is_text(ask: Ask, checked: None):
    assert HOSTILE not in page(ask())
