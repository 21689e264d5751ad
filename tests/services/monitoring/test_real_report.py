"""A check with Evidently as it is: figures, categories, text, gaps, a column of another type."""

from typing import Any

import numpy as np
import pytest

from services.engines.evidently.adapter import Evidently
from services.home import Home
from services.monitoring import folder
from services.monitoring.computing import Monitor
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def changed(seed: int, *, broken: bool):
    rng = np.random.default_rng(seed)

    def change(inputs: dict[str, Any]) -> dict[str, Any]:
        words = rng.choice(["the", "cat", "sat", "on", "a", "mat"], rng.integers(3, 9))
        return {
            **inputs,
            "text": [" ".join(words)],
            "city": [str(rng.choice(["Kiel", "Ulm"]))],
            "gap": [float(rng.normal()) if rng.random() < 0.8 else None],
            "pixels": [rng.random(40).tolist()],
            "d": ["broken"] if broken else inputs["d"],
        }

    return change


def test_the_report_has_every_column_that_can_be_compared(home: Home):
    asked(home, NOW - 2 * HOUR_S, 600, change=changed(1, broken=False))
    asked(home, NOW - HOUR_S, 800, shift=1.0, seed=3, right=0.75, change=changed(2, broken=True))
    store = VerdictStore(home)
    checked = Monitor(home, store, None, Evidently()).check(
        "p", "m", 3, now=NOW, report=True,
        baseline=Baseline("window", NOW - 2 * HOUR_S, NOW - HOUR_S),
    )  # fmt: skip
    store.close()
    assert checked.fault is None
    assert checked.report is not None
    assert checked.report.trouble == ()
    scores = {score.name: score for score in checked.report.scores}
    assert {name: score.failed for name, score in scores.items() if score.failed} == {}
    assert {"a", "b", "c", "city", "gap", "pixels.mean", "output.label"} <= scores.keys()
    assert {"text: words", "text: characters"} <= scores.keys()
    assert "d" not in scores
    data, _, quality, _ = checked.verdicts
    ours = {column.name: column for column in data.columns}
    assert scores["a"].value == pytest.approx(ours["input.a"].effect)
    assert scores["city"].value == pytest.approx(ours["input.city"].effect)
    assert scores["gap"].value == pytest.approx(ours["input.gap"].effect)
    assert {one.name: one.state for one in quality.columns}["input.d"] == "failed"
    assert data.report is not None
    assert checked.report.quality["Accuracy"] == pytest.approx(0.75, abs=0.05)
    page = folder.base(home) / data.report
    assert "Predictions beside labels" in page.read_text()
    assert "The baseline has no labels of this kind" in page.read_text()
    assert page.stat().st_size > 1_000_000
    assert page.with_suffix(".json").exists()
    assert list(folder.workspace(home).rglob("snapshots/*.json"))
