"""How right answers were: late, wrong, missing and foreign labels."""

import time

import numpy as np
import orjson
import pyarrow as pa
import pytest

from services.monitoring import accuracy, labels
from services.monitoring.accuracy import Quality
from services.predictions import columns
from services.predictions.labels import MATCHED_TYPES
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.predictions.records import request_id

NOW = float(int(time.time() // HOUR_S) * HOUR_S)


def matched(*pairs: tuple[object, object], delay_s: float = 60.0, kept: str = "full") -> pa.Table:
    rows = [
        (f"r{n}", round((NOW + n + delay_s) * 1e6), round((NOW + n) * 1e6), 3, "k", kept,
         orjson.dumps(label).decode(), orjson.dumps(outputs).decode())
        for n, (label, outputs) in enumerate(pairs)
    ]  # fmt: skip
    return columns.table(rows, MATCHED_TYPES)


def test_labels_fit_by_row_by_name_or_alone():
    found = labels.paired(matched(
        (1, {"label": [1], "confidence": [0.9]}),
        ([1, 0], {"label": [1, 1]}),
        ({"label": ["2"]}, {"label": [2]}),
        ({"price": 3}, {"other": [1], "price": [3]}),
    ))  # fmt: skip
    assert found.target == ("1", "1", "0", "2", "3")
    assert found.prediction == ("1", "1", "1", "2", "3")
    assert (found.task, found.requests, found.unusable, found.strange) == (
        "classification", 4, 0, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "outputs"),
    [([1, 0], {"label": [1]}), ({"no": 1}, {"label": [1]}), (None, {"label": [1]}),
     ({"label": {"deep": 1}}, {"label": [1]}), (1, {"label": [[1, 2]]}), (1, None), (1, {})],
)  # fmt: skip
def test_labels_that_fit_no_answer_are_counted_and_left_out(label, outputs):
    found = labels.paired(matched((label, outputs), (1, {"label": [1]})))
    assert (found.requests, found.unusable) == (1, 1)


def test_what_was_not_kept_cannot_be_compared():
    assert labels.paired(matched((1, {"label": [1]}), kept="dropped")).unusable == 1


def test_figures_are_regression():
    found = accuracy.measured(
        labels.paired(matched((1.5, {"y": [1.0]}), (2.25, {"y": [3.0]}))), 10, NOW, NOW + 60, 3600
    )
    assert found.overall is not None
    assert (found.task, found.overall.metric) == ("regression", "mae")
    assert found.overall.value == pytest.approx(0.625)


def test_wilsons_interval_is_the_published_one():
    """81 of 263: Newcombe 1998, table I."""
    found = labels.of_rows([1] * 81 + [0] * 182, [1] * 263)
    one = accuracy.of_values(found.target, found.prediction)
    assert one is not None
    assert (round(one.low, 4), round(one.high, 4)) == (0.2553, 0.3662)


def test_stretches_that_still_wait_for_labels_are_open():
    pairs = [(1, {"label": [1]})] * 100
    found = accuracy.measured(
        labels.paired(matched(*pairs, delay_s=50.0)), 120, NOW, NOW + 100, 25.0
    )
    assert [(point.at - NOW, point.open) for point in found.points] == [
        (0.0, False), (25.0, False), (50.0, True), (75.0, True),
    ]  # fmt: skip
    assert found.delay_s == pytest.approx(50.0)
    assert "100 of 120 predictions have a label" in found.said


def test_the_log_is_read_with_late_unknown_and_wrong_labels(home):
    ids = asked(home, NOW - HOUR_S, 200, right=0.9)
    log = PredictionLog.open(home, "late", reserve_bytes=1 << 16)
    log.append_feedback(Feedback(request_id(NOW - HOUR_S), NOW, 1))  # of nobody
    log.append_feedback(Feedback(ids[0], NOW + 10, [1, 2, 3]))  # the last one counts
    log.close()
    found = accuracy.read(home, "p", "m", NOW - HOUR_S, NOW, 600.0)
    assert (found.predictions, found.labelled, found.unusable) == (200, 199, 1)
    assert found.overall is not None
    assert found.overall.low < 0.9 < found.overall.high
    assert len(found.points) == 6


def test_no_labels_are_unknown_not_zero(home):
    asked(home, NOW - HOUR_S, 20)
    found = accuracy.read(home, "p", "m", NOW - HOUR_S, NOW, 600.0)
    assert found.overall is None
    assert (
        found.said == "How right the answers were is not known: 0 of 20 predictions have a label."
    )
    assert accuracy.judge(None, None).state == "unknown"


def quality(hits: int, rows: int) -> Quality:
    found = accuracy.of_values([1] * hits + [0] * (rows - hits), [1] * rows)
    assert found is not None
    return found


def test_a_loss_that_can_be_chance_is_steady_and_one_that_cannot_is_drift():
    base = quality(950, 1000)
    assert accuracy.judge(quality(140, 150), base).state == "steady"
    worse = accuracy.judge(quality(240, 300), base)
    assert (worse.state, worse.severity) == ("drifted", "high")
    assert "was 0.95 on 1,000 rows" in worse.said
    assert accuracy.judge(quality(885, 1000), base).severity == "medium"
    assert accuracy.judge(quality(1000, 1000), base).state == "steady"  # better is no drift


def test_errors_that_grew_are_found():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=400)
    before = accuracy.of_values(truth.tolist(), (truth + rng.normal(0, 0.1, 400)).tolist())
    after = accuracy.of_values(truth.tolist(), (truth + rng.normal(0, 0.2, 400)).tolist())
    assert accuracy.judge(before, before).state == "steady"
    assert accuracy.judge(after, before).state == "drifted"
    assert accuracy.judge(after, quality(90, 100)).state == "unknown"  # another figure


def test_false_alarms_of_accuracy_are_as_rare_as_they_should_be():
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(2000):
        base, now = (
            quality(int(rng.binomial(500, 0.95)), 500),
            quality(int(rng.binomial(200, 0.95)), 200),
        )
        alarms += accuracy.judge(now, base).state == "drifted"
    assert alarms <= 2
