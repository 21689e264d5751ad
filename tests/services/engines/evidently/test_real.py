"""Evidently itself: its distances are ours, one bad column does not spoil the report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.engines.evidently.adapter import Evidently
from services.engines.evidently.models import Question, Report
from services.monitoring import distances
from services.monitoring.spreads import Categories

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROWS = 1500
RNG = np.random.default_rng(6)


def table(shift: float) -> pd.DataFrame:
    return pd.DataFrame({
        "age": RNG.normal(shift, size=ROWS),
        "income": RNG.lognormal(size=ROWS),
        "city": RNG.choice(list("KUB"), ROWS, p=[0.5 - shift / 2, 0.25, 0.25 + shift / 2]),
    })  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> tuple[Question, Report, dict[str, pd.DataFrame]]:
    folder = tmp_path_factory.mktemp("evidently")
    tables = {"reference": table(0.0), "current": table(0.5)}
    tables["current"]["empty"] = np.full(ROWS, np.nan)
    tables["reference"]["empty"] = RNG.normal(size=ROWS)
    for name, one in tables.items():
        one.to_parquet(folder / f"{name}.parquet")
    labels = pd.DataFrame(
        {"target": ["a"] * 60 + ["b"] * 40, "prediction": ["a"] * 80 + ["b"] * 20}
    )
    labels.to_parquet(folder / "labels.parquet")
    question = Question(
        folder / "reference.parquet", folder / "current.parquet",
        {"age": "numeric", "income": "numeric", "city": "category", "empty": "numeric"},
        folder / "report.html", folder / "report.json", folder / "workspace", "p / m",
        "classification", (folder / "labels.parquet", folder / "labels.parquet"), 1.79e9,
        ("3 more columns are not drawn.",), 0.3,
    )  # fmt: skip
    engine = Evidently()
    engine.report(question)
    return question, engine.report(question), tables


def test_its_distances_are_ours(asked):
    _, report, tables = asked
    found = {score.name: score.value for score in report.scores}
    then, now = tables["reference"], tables["current"]
    for name in ("age", "income"):
        ours = distances.wasserstein(np.sort(then[name].to_numpy()), np.sort(now[name].to_numpy()))
        assert found[name] == pytest.approx(ours)
    counts = Categories.of(then["city"].to_numpy(), now["city"].to_numpy()).counts()
    assert found["city"] == pytest.approx(distances.jensen_shannon(*counts))


def test_it_goes_by_the_threshold_it_is_given(asked):
    _, report, _ = asked
    known = [score for score in report.scores if not score.failed]
    assert {score.threshold for score in known} == {0.3}
    assert {score.name: score.drifted for score in known} == {
        score.name: score.value is not None and score.value >= 0.3 for score in known
    }


def test_a_column_it_fails_on_says_so_and_the_rest_is_there(asked):
    question, report, _ = asked
    (failed,) = [score for score in report.scores if score.failed]
    assert failed.name == "empty"
    assert failed.value is None
    assert failed.failed.startswith("Evidently failed on it:")
    assert report.trouble == ()
    page = question.html.read_text()
    assert "empty: Evidently failed on it" in page
    assert "3 more columns are not drawn" in page
    assert question.html.stat().st_size > 1_000_000
    assert json.loads(question.json.read_bytes())["metrics"]


def test_predictions_beside_labels_are_on_the_same_page(asked):
    question, report, _ = asked
    assert report.quality["Accuracy"] == pytest.approx(0.8)
    page = question.html.read_text()
    assert "Predictions beside labels" in page
    assert "Confusion Matrix" in page
    assert question.json.with_suffix(".labels.json").exists()


def test_the_workspace_has_one_project_with_both_reports(asked):
    question, _, _ = asked
    assert question.workspace is not None
    projects = [path for path in question.workspace.iterdir() if path.is_dir()]
    assert len(projects) == 1
    assert len(list((projects[0] / "snapshots").iterdir())) == 4


def small(folder: Path, **changed: Any) -> Question:
    for name in ("reference", "current"):
        pd.DataFrame({"age": RNG.normal(size=200)}).to_parquet(folder / f"{name}.parquet")
    asked = Question(
        folder / "reference.parquet", folder / "current.parquet", {"age": "numeric"},
        folder / "r.html", folder / "r.json",
    )  # fmt: skip
    return replace(asked, **changed)


def labelled(folder: Path, target, prediction) -> tuple[None, Path]:
    path = folder / "labels.parquet"
    pd.DataFrame({"target": target, "prediction": prediction}).to_parquet(path)
    return None, path


def test_figures_beside_labels_need_no_labels_of_the_baseline(tmp_path):
    target = RNG.normal(size=300)
    labels = labelled(tmp_path, target, target + RNG.choice([-0.5, 0.5], 300))
    report = Evidently().report(small(tmp_path, task="regression", labels=labels))
    assert report.trouble == ()
    assert report.quality["MAE"] == pytest.approx(0.5)
    assert "Predictions beside labels" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_one_class_and_many_are_classes(tmp_path, names):
    target = np.resize(names, 90)
    labels = labelled(tmp_path, target, target)
    report = Evidently().report(small(tmp_path, task="classification", labels=labels))
    assert report.trouble == ()
    assert report.quality["Accuracy"] == 1.0


def test_labels_that_it_fails_on_leave_the_rest_and_are_told(tmp_path):
    labels = labelled(tmp_path, ["x"] * 5, [1.5] * 5)
    report = Evidently().report(small(tmp_path, task="regression", labels=labels))
    (said,) = report.trouble
    assert said.startswith("Predictions beside labels could not be written:")
    assert "Predictions beside labels could not be written" in (tmp_path / "r.html").read_text()
    assert report.scores[0].value is not None


def test_names_and_values_with_tags_do_not_break_the_page(tmp_path):
    bad = "</script><script>parent.alert(1)</script><!--"
    for name in ("reference", "current"):
        table = pd.DataFrame({bad: RNG.choice([bad, "<b>x"], 200), "n": RNG.normal(size=200)})
        table.to_parquet(tmp_path / f"{name}.parquet")
    asked = Question(
        tmp_path / "reference.parquet", tmp_path / "current.parquet",
        {bad: "category", "n": "numeric"}, tmp_path / "r.html", tmp_path / "r.json",
        task="classification", labels=labelled(tmp_path, [bad, "b"] * 50, ["b", bad] * 50),
        notes=(bad,),
    )  # fmt: skip
    report = Evidently().report(asked)
    assert report.trouble == ()
    assert {score.name for score in report.scores} == {bad, "n"}
    assert "alert(1)</script" not in (tmp_path / "r.html").read_text()
