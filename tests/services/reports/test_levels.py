"""Service levels in the report, against what was asked, answered and promised."""

import time

from services.actions.journal import Journal
from services.home import Home
from services.objectives import standing, store
from services.objectives.models import Objective
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.reports.html import page
from services.settings import Settings
from tests.lineage_seed import CLIP, FEDERATED, LORA
from tests.services.predictions.records import record, written
from tests.services.reports.conftest import Ask, figures, section, table

BYTES = 200_000
"""The whole file of three projects: far below 3 MB for nine of them."""


def requests(home: Home, project: str, count: int, bad: int) -> None:
    at = time.time() - 600
    made = (
        record(at, project=project, model=project, inputs=None, outputs=None,
               status=500 if n < bad else 200)
        for n in range(count)
    )  # fmt: skip
    written(home, *made)


def labelled(home: Home, project: str, count: int, version: int = 1, ago_s: float = 0.0) -> None:
    """Answer requests, half of them right."""
    at = time.time() - ago_s
    log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
    for number in range(count):
        one = record(at - 600, project=project, model=project, version=version, rows=1,
                     inputs={"x": [1]}, outputs={"label": ["yes"]})  # fmt: skip
        log.append(one)
        log.append_feedback(Feedback(one.id, at - 60, "yes" if number % 2 else "no"))
    log.close()


def promised(project: str, objective: Objective) -> None:
    journal = Journal.open(Settings())
    store.put(journal, project, project, objective)
    journal.close()


def test_each_objective_stands_with_what_was_achieved_the_worst_first(ask: Ask, home: Home):
    requests(home, CLIP, 500, 50)
    requests(home, LORA, 997, 2)
    report = ask()
    lost, well = table(report, "levels", "Objectives")
    assert lost[:5] == (
        f"{CLIP}.{CLIP}", "99 % of requests answered, over 30 days", "90 %", "0 %", "missed",
    )  # fmt: skip
    assert "90 % of 500 requests in the last 30 days were answered" in lost[5]
    assert well[:5] == (
        f"{LORA}.{LORA}", "99 % of requests answered, over 30 days", "99.8 %", "80 %", "met",
    )  # fmt: skip
    assert figures(report, "levels") == {
        "Objectives missed": (1, 0), "Objectives at risk": (0, 0),
        "Objectives not known": (0, 2), "Objectives met": (1, 0),
    }  # fmt: skip
    assert len(page(report).encode()) < BYTES


def test_the_report_says_what_the_objectives_say(ask: Ask, home: Home):
    requests(home, LORA, 300, 4)
    journal = Journal.open(Settings())
    (one,) = standing(home, journal, LORA)
    journal.close()
    (row,) = table(ask(LORA), "levels", "Objectives")
    assert row[4:6] == (one.state, one.said)


def test_where_nobody_asked_nothing_is_invented(ask: Ask):
    report = ask(CLIP)
    (row,) = table(report, "levels", "Objectives")
    assert row[2:5] == ("not known", "not known", "not known")
    assert row[5] == "Nobody asked it in the last 30 days."
    assert figures(report, "levels")["Objectives met"] == (0, 0)


def test_few_requests_have_a_share_and_no_budget(ask: Ask, home: Home):
    requests(home, CLIP, 20, 0)
    (row,) = table(ask(CLIP), "levels", "Objectives")
    assert row[2:5] == ("100 %", "not known", "not known")
    assert "too few to say" in row[5]


def test_accuracy_has_an_interval_and_no_budget(ask: Ask, home: Home):
    promised(CLIP, Objective("accuracy", 0.9, 7))
    promised(LORA, Objective("accuracy", 0.9, 7))
    labelled(home, CLIP, 60)
    rows = {(row[0], row[1]): row for row in table(ask(), "levels", "Objectives")}
    found = rows[f"{CLIP}.{CLIP}", "accuracy of at least 0.9, over 7 days"]
    assert found[2].startswith("0.5 (0.3")
    assert found[3:5] == ("–", "missed")
    silent = rows[f"{LORA}.{LORA}", "accuracy of at least 0.9, over 7 days"]
    assert silent[2:5] == ("not known", "–", "not known")


def test_accuracy_of_a_period_is_of_all_versions_that_answered_in_it(ask: Ask, home: Home):
    promised(CLIP, Objective("accuracy", 0.9, 7))
    labelled(home, CLIP, 60, version=2, ago_s=9 * 86_400.0)  # before version 1 came back
    labelled(home, CLIP, 20, version=2, ago_s=86_400.0)
    labelled(home, CLIP, 30)
    rows = {row[1]: row for row in table(ask(CLIP), "levels", "Objectives")}
    found = rows["accuracy of at least 0.9, over 7 days"]
    assert found[6:8] == ("accuracy 0.5 of 50", "accuracy 0.5 of 60")


def test_a_project_where_nothing_is_in_service_says_so(ask: Ask):
    report = ask(FEDERATED)
    assert section(report, "levels").figures == ()
    assert "Nothing is in service." in page(report)
