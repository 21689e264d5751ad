"""``mlops drift show``: what Evidently found, beside what the verdict says."""

import json
from dataclasses import asdict

import orjson

from services.actions.journal import Journal
from services.home import Home
from services.monitoring import folder
from services.monitoring.evidently_figures import Column, Found
from services.monitoring.store import VerdictStore
from tests.services.commands.test_drift import home, journal, live, typed, verdict, verdicts

__all__ = ["home", "journal", "verdicts"]
REPORT = "reports/p/m/2026-05-01/x.html"
FOUND = Found(
    1.79e9, "0.7.23",
    (Column("b", "input.b", "", None, None, None, 600, 0, "Evidently failed on it: empty."),
     Column("a", "input.a", "wasserstein", 0.515, 0.1, True, 600, 2000),
     Column("late", "input.late", "jensenshannon", 0.02, 0.1, False, 590, 1990)),
    {"MAE": 1.25}, ("3 more columns are not drawn.",),
)  # fmt: skip


def figures(home: Home, content: bytes | None = None) -> None:
    path = (folder.base(home) / REPORT).with_suffix(".columns.json")
    folder.write(path, orjson.dumps(asdict(FOUND)) if content is None else content)


def test_scores_stand_beside_our_verdict(home: Home, journal: Journal, verdicts: VerdictStore):
    live(journal, "p", "m", 3)
    verdicts.record([verdict().with_report(REPORT)])
    figures(home)
    told = typed("show", "p.m").output
    lines = [line.split("\t") for line in told.splitlines()]
    assert ": Evidently calls 1 of 2 columns drifted, and could not compare 1 of 3." in told
    assert f"Full report: monitoring/{REPORT}" in told
    assert "Answers beside labels: MAE 1.25." in told
    assert "3 more columns are not drawn." in told
    assert [
        "a", "wasserstein", "0.515", "0.1", "drifted", "drifted", "0.52", "2,000", "600", "",
    ] in lines  # fmt: skip
    assert [
        "b", "–", "–", "–", "failed", "steady", "0.03", "0", "600",
        "Evidently failed on it: empty.",
    ] in lines  # fmt: skip
    assert ["late", "jensenshannon", "0.02", "0.1", "not drifted", "–", "–", "1,990", "590",
            ""] in lines  # fmt: skip
    assert "Evidently" not in typed("show", "p.m", "--kind", "quality").output


def test_json_has_the_documented_keys(home: Home, journal: Journal, verdicts: VerdictStore):
    live(journal, "p", "m", 3)
    one = verdict().with_report(REPORT)
    verdicts.record([one])
    figures(home)
    (found,) = json.loads(typed("show", "p.m", "--json").stdout)["evidently"]
    assert {name: found[name] for name in found if name not in ("columns", "computed_at")} == {
        "version": 3, "verdict": one.id, "report": REPORT, "evidently": "0.7.23", "drifted": 1,
        "quality": {"MAE": 1.25}, "said": ["3 more columns are not drawn."],
    }  # fmt: skip
    assert found["computed_at"].endswith("Z")
    assert found["columns"][1] == {
        "name": "a", "own": "input.a", "method": "wasserstein", "value": 0.515, "threshold": 0.1,
        "drifted": True, "n_reference": 600, "n_current": 2000, "failed": "", "state": "drifted",
        "effect": 0.52,
    }  # fmt: skip
    assert found["columns"][0]["failed"] == "Evidently failed on it: empty."
    assert found["columns"][2]["effect"] is None


def test_without_a_report_it_says_how_one_comes(journal: Journal, verdicts: VerdictStore):
    live(journal, "p", "m", 3)
    verdicts.record([verdict()])
    assert "no report is kept; `mlops drift check p.m --report`" in typed("show", "p.m").output
    assert json.loads(typed("show", "p.m", "--json").stdout)["evidently"] == []


def test_figures_that_are_not_there_hide_no_verdict(
    home: Home, journal: Journal, verdicts: VerdictStore
):
    live(journal, "p", "m", 3)
    verdicts.record([verdict().with_report(REPORT)])
    done = typed("show", "p.m")
    assert done.exit_code == 0
    assert "was written before its figures were kept" in done.output
    assert "input.a" in done.output
    figures(home, b"{")
    assert "cannot be read" in typed("show", "p.m").output
    (found,) = json.loads(typed("show", "p.m", "--json").stdout)["evidently"]
    assert (found["columns"], found["drifted"], found["evidently"]) == ([], None, None)
    assert "cannot be read" in found["said"][0]
