"""Evidently itself: its distances are ours, one bad column does not spoil the report."""

import json

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


def test_a_column_it_fails_on_says_so_and_the_rest_is_there(asked):
    question, report, _ = asked
    (failed,) = [score for score in report.scores if score.failed]
    assert failed.name == "empty"
    assert failed.value is None
    assert failed.failed.startswith("Evidently failed on it:")
    assert report.trouble == ()
    assert question.html.stat().st_size > 1_000_000
    assert json.loads(question.json.read_bytes())["metrics"]


def test_predictions_beside_labels_have_a_report_too(asked):
    question, report, _ = asked
    assert report.quality["Accuracy"] == pytest.approx(0.8)
    assert question.html.with_name("report.labels.html").exists()


def test_the_workspace_has_one_project_with_both_reports(asked):
    question, _, _ = asked
    assert question.workspace is not None
    projects = [path for path in question.workspace.iterdir() if path.is_dir()]
    assert len(projects) == 1
    assert len(list((projects[0] / "snapshots").iterdir())) == 2
