"""Evidently itself where labels beside answers are so even that it fails on them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.engines.evidently.models import Question
from services.engines.evidently.wire import ReportWire

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(11)
SPREAD = RNG.normal(size=300)


@pytest.fixture(autouse=True)
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")


def written(
    folder: Path, target: Any, prediction: Any, baseline: tuple[Any, Any] | None = None
) -> ReportWire:
    """Have the report written in this process, by the code that Evidently's own process runs."""
    from services.engines.evidently import reporting

    for name in ("reference", "current"):
        pd.DataFrame({"age": RNG.normal(size=200)}).to_parquet(folder / f"{name}.parquet")
    labels = folder / "labels.parquet"
    pd.DataFrame({"target": target, "prediction": prediction}).to_parquet(labels)
    before = None
    if baseline is not None:
        before = folder / "before.parquet"
        pd.DataFrame(dict(zip(("target", "prediction"), baseline, strict=True))).to_parquet(before)
    logging.disable(logging.CRITICAL)  # the trace of what is provoked here
    try:
        return reporting.write(Question(
            folder / "reference.parquet", folder / "current.parquet", {"age": "numeric"},
            folder / "r.html", folder / "r.json", folder / "workspace", "p / m",
            task="regression", labels=(before, labels),
        ))  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("baseline", [None, (SPREAD, SPREAD + 0.5)])
def test_errors_that_are_all_the_same_are_told_and_the_rest_is_there(tmp_path, baseline):
    report = written(tmp_path, SPREAD, SPREAD + 0.5, baseline)
    (said,) = report.trouble
    assert said.startswith(
        "All errors are the same, so they have no spread to draw. The mean absolute error is 0.5 "
        "on 300 rows. Evidently failed on labels beside answers ("
    )
    assert said.endswith("): each is drawn for itself.")
    assert report.quality == pytest.approx({"MAE": 0.5, "MeanError": 0.5})
    page = (tmp_path / "r.html").read_text()
    assert "All errors are the same" in page
    assert "Predictions beside labels" in page
    assert report.scores[0].value is not None
    beside = json.loads((tmp_path / "r.labels.json").read_bytes())
    assert beside["metrics"]
    assert len(list((tmp_path / "workspace").rglob("snapshots/*.json"))) == 2


def test_labels_that_are_all_zero_are_no_divisor(tmp_path):
    report = written(tmp_path, np.zeros(300), SPREAD)
    (said,) = report.trouble
    assert said.startswith("All labels are 0, so no error is a share of its label. The mean")
    assert report.quality["MAE"] == pytest.approx(np.abs(SPREAD).mean())


def test_figures_of_one_row_that_are_none_are_left_out(tmp_path):
    report = written(tmp_path, [0.25], [2.25])
    assert report.trouble == []
    assert report.quality["MAE"] == 2.0
    assert "R2Score" not in report.quality
    assert ReportWire.model_validate_json(report.model_dump_json()) == report


def test_errors_with_a_spread_are_drawn_by_evidently(tmp_path):
    report = written(tmp_path, SPREAD, SPREAD + RNG.normal(size=300))
    assert report.trouble == []
    assert {"MAE", "RMSE", "R2Score"} <= report.quality.keys()
