"""``mlops drift list``: service levels and freshness, over a real log, journal and verdicts."""

import json
import time
from datetime import UTC, datetime

import pytest

from services.actions.journal import Journal
from services.home import Home
from services.monitoring.store import VerdictStore
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.serving import figures
from services.serving.figures import Figures, VersionFigures
from tests.services.commands.test_drift import home, journal, live, typed, verdict, verdicts
from tests.services.predictions.records import compacted, record, written

__all__ = ["home", "journal", "verdicts"]


def answered(home: Home, project: str, count: int, bad: int, ago_s: float) -> list[str]:
    at = time.time() - ago_s
    made = [
        record(at, project=project, model="m", status=500 if n < bad else 200, inputs=None,
               outputs=None)
        for n in range(count)
    ]  # fmt: skip
    written(home, *made)
    return [one.id for one in made]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_missed_objective_comes_first_though_its_checks_are_steady(
    home: Home, journal: Journal, verdicts: VerdictStore
):
    for project in ("p", "q"):
        live(journal, project, "m", 3)
    verdicts.record([verdict(3, "steady")])
    verdicts.record([verdict(severity="medium", project="q")])
    answered(home, "p", 200, 50, 6 * 3600.0)
    answered(home, "q", 200, 0, 2 * 3600.0)
    done = typed("list")
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.output.splitlines()]
    assert [[row[0], row[1], *row[6:9]] for row in rows] == [
        ["p.m", "steady", "missed (errors)", "6 h", "–"],
        ["q.m", "drifted", "met", "2 h", "–"],
    ]  # fmt: skip


def test_json_says_how_objectives_stand_and_how_fresh_it_is(home: Home, journal: Journal):
    live(journal, "p", "m", 3)
    objectives.put(journal, "p", "", Objective("latency", 0.9, 7, 1.0))
    now = time.time()
    first, *_ = answered(home, "p", 120, 0, 7200.0)
    log = PredictionLog.open(home, "gateway")
    log.append_feedback(Feedback(first, now - 600.0, "yes"))
    log.close()
    compacted(home, now)
    (found,) = json.loads(typed("list", "--json").stdout)
    assert [(one["objective"], one["state"]) for one in found["objectives"]] == [
        ("errors", "met"), ("latency", "missed"),
    ]  # fmt: skip
    assert at(found["labelled_at"]) == pytest.approx(now - 600, abs=1)
    assert at(found["predicted_at"]) == pytest.approx(now - 7200, abs=60)
    passing = {"p.m": {3: VersionFigures(3, 9, last_at=now - 5.0)}}
    figures.write(home, Figures(now, 1, 1, passing))
    (found,) = json.loads(typed("list", "--json").stdout)
    assert at(found["predicted_at"]) == pytest.approx(now - 5, abs=0.01)
    (shown,) = [json.loads(typed("show", "p.m", "--json").stdout)]
    assert shown["objectives"][1]["state"] == "missed"


def test_labels_that_cannot_be_read_hide_no_verdict(
    home: Home, journal: Journal, verdicts: VerdictStore
):
    live(journal, "p", "m", 3)
    verdicts.record([verdict()])
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    path = Folder(home).of_feedback("p", "m", day)
    path.mkdir(parents=True)
    (path / "x.parquet").write_bytes(b"no parquet")
    done = typed("list")
    assert done.exit_code == 0, done.output
    assert "is damaged" in done.stderr
    assert done.stdout.split("\t")[:2] == ["p.m", "drifted"]
