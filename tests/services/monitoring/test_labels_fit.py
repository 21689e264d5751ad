"""Labels that fit nothing: of unknown requests, or beside an answer that they do not fit."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from services.home import Home
from services.monitoring.labels_fit import HOUR_S, SETTLED_S, Fit, LabelFits, Part
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.serving.models import Privacy
from tests.services.predictions.records import DAY_S, compacted, request_id

P, M = "p", "m"


class Lab:
    """A log of the last day: ``now`` is a moment of the test's own."""

    def __init__(self, home: Home) -> None:
        self.home, self.now = home, time.time()
        self.fits = LabelFits(home)

    def answered(
        self, count: int, label: Callable[[int], Any], *, ago_s: float = 3 * HOUR_S,
        output: Callable[[int], Any] = lambda n: n % 2, privacy: Privacy = "full",
        project: str = P, key: str = "",
    ) -> list[str]:  # fmt: skip
        log = PredictionLog.open(self.home, "test", reserve_bytes=1 << 16)
        ids = []
        for n in range(count):
            at = self.now - ago_s + n
            one = request_id(at)
            log.append(
                Record(one, at - 1, project, M, 3, "plain", 200, 1.0, inputs={"a": [1.0]},
                       outputs={"label": [output(n)]}),
                privacy=privacy,
            )  # fmt: skip
            log.append_feedback(Feedback(one, at, label(n), project=key), privacy=privacy)
            ids.append(one)
        log.close()
        return ids

    def strange(
        self, count: int, *, ago_s: float = 3 * HOUR_S, project: str = "",
        asked_at: float | None = None,
    ) -> None:  # fmt: skip
        log = PredictionLog.open(self.home, "test", reserve_bytes=1 << 16)
        for n in range(count):
            at = self.now - ago_s + n
            asked = at if asked_at is None else asked_at
            log.append_feedback(Feedback(request_id(asked), at, 1, project=project))
        log.close()

    def counted(self) -> Fit:
        compacted(self.home, self.now)
        return self.fits.counts(self.now)


@pytest.fixture
def lab(home: Home) -> Lab:
    return Lab(home)


def test_of_an_empty_log_nothing_is_told(lab: Lab):
    assert lab.counted() == Fit(lab.now - SETTLED_S)


def test_unknown_requests_are_counted_beside_those_that_fit(lab: Lab):
    lab.answered(30, lambda n: n % 2)
    lab.answered(6, lambda n: n % 2, ago_s=HOUR_S)
    lab.strange(10)
    lab.strange(4, ago_s=HOUR_S)
    lab.strange(2, ago_s=3 * DAY_S)
    found = lab.counted()
    (one,) = found.unknown
    assert (one.project, one.day, one.hour) == ("", Part(50, 14), Part(10, 4))
    assert (one.kept, one.removed, one.ahead) == (16, 2, 0)
    assert one.since == pytest.approx(lab.now - 3 * DAY_S, abs=0.01)
    assert one.newest == pytest.approx(lab.now - HOUR_S + 3, abs=0.01)
    assert "14 of 50 labels of the last day (28%)" in one.said
    (fitting,) = found.models
    assert (fitting.day, fitting.hour, fitting.unusable) == (Part(36, 0), Part(6, 0), 0)
    assert found.parts_of(P) == (Part(36, 0), Part(6, 0)), "no key of it said an unknown one"


def test_they_are_told_of_the_project_whose_key_said_them(lab: Lab):
    lab.answered(10, lambda n: n % 2)
    lab.answered(20, lambda n: n % 2, project="other")
    lab.strange(5, project=P)
    (one,) = lab.counted().unknown
    assert (one.project, one.day) == (P, Part(15, 5)), "those of another project are none of its"


def test_a_label_of_another_project_is_unknown_to_its_key(lab: Lab):
    lab.answered(3, lambda n: n % 2, key="other")
    (one,) = lab.counted().unknown
    assert (one.project, one.day, one.removed, one.ahead) == ("other", Part(3, 3), 0, 0)
    assert "key of another project" in one.reasons


def test_what_an_id_tells_of_its_day_is_a_reason(lab: Lab):
    lab.answered(1, lambda n: n % 2)
    lab.strange(3, asked_at=lab.now - 100 * DAY_S)
    lab.strange(2, asked_at=lab.now + 2 * DAY_S)
    lab.strange(1)
    (one,) = lab.counted().unknown
    assert (one.kept, one.removed, one.ahead) == (6, 3, 2)
    assert "3 are of requests older" in one.reasons
    assert "2 have an id of a time to come" in one.reasons
    assert "1 may have a wrong id" in one.reasons


def test_a_label_that_may_yet_find_its_prediction_is_not_told(lab: Lab):
    lab.strange(5, ago_s=SETTLED_S / 2)
    assert lab.counted().unknown == ()
    lab.now += SETTLED_S
    assert lab.counted().unknown[0].kept == 5


def test_a_request_that_is_still_in_a_segment_is_known(lab: Lab):
    one = request_id(lab.now)
    log = PredictionLog.open(lab.home, "labels", reserve_bytes=1 << 16)
    log.append_feedback(Feedback(one, lab.now - HOUR_S, 1))
    log.close()
    compacted(lab.home, lab.now)
    assert lab.fits.counts(lab.now).unknown[0].kept == 1
    log = PredictionLog.open(lab.home, "rows", reserve_bytes=1 << 16)
    log.append(Record(one, lab.now - HOUR_S, P, M, 3, "plain", 200, 1.0, outputs={"label": [1]}))
    log.close()
    assert lab.fits.counts(lab.now).unknown == ()


def test_a_request_that_is_labelled_twice_counts_once(lab: Lab):
    for _ in range(2):
        log = PredictionLog.open(lab.home, "labels", reserve_bytes=1 << 16)
        log.append_feedback(Feedback("0192f0c1a0b07" + "0" * 19, lab.now - HOUR_S, 1))
        log.close()
        compacted(lab.home, lab.now)
    assert len(Folder(lab.home).unknown_files()) == 2
    assert lab.counted().unknown[0].kept == 1


def test_labels_that_fit_no_answer_are_told_of_their_model(lab: Lab):
    lab.answered(20, lambda n: n % 2)
    lab.answered(30, lambda _: "cat", ago_s=HOUR_S)
    lab.answered(10, lambda _: {"no such output": 1})
    (one,) = lab.counted().models
    assert (one.project, one.model, one.day, one.hour) == (P, M, Part(60, 40), Part(30, 30))
    assert one.unusable == 10
    assert "10 cannot be held against the answer" in one.reasons
    assert "30 are of a class that the model never answered" in one.reasons


def test_texts_that_a_model_writes_are_no_classes(lab: Lab):
    lab.answered(250, lambda n: f"right {n}", output=lambda n: f"said {n}")
    (one,) = lab.counted().models
    assert one.day == Part(250, 0)


def test_hashes_of_labels_are_not_held_against_those_of_answers(lab: Lab):
    lab.answered(60, lambda n: str(n % 2), output=lambda n: n % 2, privacy="hash", key=P)
    (one,) = lab.counted().models
    assert one.day == Part(60, 0)


def test_of_what_privacy_drops_nobody_says_that_it_does_not_fit(lab: Lab):
    lab.answered(60, lambda n: n % 2, privacy="off")
    lab.strange(60)
    found = lab.counted()
    (one,) = found.models
    assert (one.day, one.matched_day) == (Part(0, 0), 60)
    assert found.unknown[0].day == Part(120, 60), "and yet they name a known request"


def test_a_file_is_read_once_and_again_when_it_changed(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    from services.monitoring import labels_fit

    read: list[str] = []
    real = labels_fit._read
    monkeypatch.setattr(labels_fit, "_read", lambda path: (read.append(path.name), real(path))[1])
    lab.strange(3)
    assert lab.counted().unknown[0].kept == 3
    lab.strange(2)
    assert lab.counted().unknown[0].kept == 5
    assert len(read) == 2
    first, second = Folder(lab.home).unknown_files()
    first.write_bytes(second.read_bytes())
    os.utime(first, ns=(1, second.stat().st_mtime_ns + 1))
    assert lab.fits.counts(lab.now).unknown[0].kept == second_rows(second)
    assert len(read) == 3
    first.unlink()
    second.unlink()
    assert lab.fits.counts(lab.now).unknown == ()
    assert lab.fits._known == {}


def second_rows(path: Any) -> int:
    import pyarrow.parquet as pq

    return len(set(pq.ParquetFile(path).read()["id"].to_pylist()))
