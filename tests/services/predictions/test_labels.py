import time
from dataclasses import replace

import pytest

from services.home import Home
from services.predictions import monitoring
from services.predictions.answers import Unknown
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.predictions.records import DAY_S, NOON, compacted, record, request_id, written
from tests.services.predictions.test_compaction import M, P


def said(home: Home, *labels: Feedback) -> None:
    log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
    for one in labels:
        log.append_feedback(one)
    log.close()


def labels(home: Home, **asked: float) -> list[tuple[str, str]]:
    table = monitoring.labelled(home, P, M, **asked)  # type: ignore[arg-type]
    return [(one["id"], one["label"]) for one in table.to_pylist()]


def test_a_label_stands_beside_its_prediction_before_and_after_parquet(home: Home):
    one = record()
    written(home, one)
    said(home, Feedback(one.id, NOON + 3600, {"label": "no"}, key_id="k2"))
    for _ in range(3):
        (found,) = monitoring.labelled(home, P, M).to_pylist()
        assert found["label"] == '{"label":"no"}'
        assert found["outputs"] == '{"label":["yes","no"],"confidence":[0.75,0.5]}'
        assert (found["version"], found["key_id"]) == (3, "k2")
        assert found["predicted_at"].timestamp() == NOON
        assert found["said_at"].timestamp() == NOON + 3600
        compacted(home)
    assert monitoring.unknown(home) == Unknown(0, None)


def test_the_last_label_counts(home: Home):
    one = record()
    written(home, one)
    for number, label in enumerate(["yes", "no"]):
        said(home, Feedback(one.id, NOON + number, label))
        compacted(home)
    assert labels(home) == [(one.id, '"no"')]


def test_labels_are_of_a_stretch_of_predictions_not_of_labels(home: Home):
    first, second = record(NOON), record(NOON + 3 * DAY_S)
    written(home, first, second)
    said(home, *(Feedback(one.id, NOON + 9 * DAY_S, 1) for one in (first, second)))
    for _ in range(2):
        assert labels(home, since=NOON + DAY_S) == [(second.id, "1")]
        assert labels(home, until=NOON + DAY_S) == [(first.id, "1")]
        assert labels(home, version=4) == []
        compacted(home)


def test_an_unknown_request_is_counted_apart_and_found_when_it_comes(home: Home):
    late = record()
    said(home, Feedback(late.id, NOON + 1, 1), Feedback("never", NOON + 2, 0))
    compacted(home)
    assert monitoring.unknown(home) == Unknown(2, NOON + 1)
    written(home, late)
    assert labels(home) == [(late.id, "1")]
    compacted(home, time.time())
    assert monitoring.unknown(home) == Unknown(1, NOON + 2)
    assert labels(home) == [(late.id, "1")]


def test_an_unknown_request_is_not_looked_for_for_ever(home: Home):
    late = record()
    said(home, Feedback(late.id, NOON + 1, 1))
    compacted(home)
    written(home, late)
    compacted(home, time.time() + 2 * DAY_S)
    assert monitoring.unknown(home).count == 1


def test_a_key_of_another_project_gives_no_label(home: Home):
    one = record()
    written(home, one)
    said(home, Feedback(one.id, NOON, 1, project="other"))
    for _ in range(2):
        assert labels(home) == []
        compacted(home)
    assert monitoring.unknown(home).count == 1
    said(home, Feedback(one.id, NOON, 2, project=P))
    compacted(home)
    assert labels(home) == [(one.id, "2")]


@pytest.mark.parametrize("first", [P, "other"])
def test_an_id_of_two_projects_is_a_prediction_of_each(home: Home, first: str):
    one = record()
    other = replace(one, project="other")
    written(home, *((one, other) if first == P else (other, one)))
    said(home, Feedback(one.id, NOON, 1, project=P), Feedback(one.id, NOON, 2, project="other"))
    for _ in range(2):
        assert labels(home) == [(one.id, "1")]
        (found,) = monitoring.labelled(home, "other", M).to_pylist()
        assert found["label"] == "2"
        compacted(home)
    assert monitoring.unknown(home) == Unknown(0, None)


def test_a_label_of_any_project_is_of_all_that_were_asked(home: Home):
    one = record()
    written(home, one, replace(one, model="other"), replace(one, project="other"))
    said(home, Feedback(one.id, NOON, 1))
    for _ in range(2):
        assert labels(home) == [(one.id, "1")]
        for project, model in ((P, "other"), ("other", M)):
            (found,) = monitoring.labelled(home, project, model).to_pylist()
            assert found["label"] == "1"
        compacted(home)


def test_a_request_at_midnight_is_found(home: Home):
    midnight = NOON + DAY_S / 2
    one = record(midnight + 0.01, id=request_id(midnight - 0.01))
    written(home, one)
    compacted(home)
    said(home, Feedback(one.id, midnight + 60, 1))
    compacted(home)
    assert labels(home) == [(one.id, "1")]


@pytest.mark.parametrize(
    "request_id", ["", "x" * 500, "ffffffffffff7" + "f" * 19, "../..", "7" * 32]
)
def test_any_text_is_an_id(home: Home, request_id: str):
    said(home, Feedback(request_id, NOON, 1))
    compacted(home)
    assert monitoring.unknown(home).count == 1
    assert len(Folder(home).unknown_files()) == 1
