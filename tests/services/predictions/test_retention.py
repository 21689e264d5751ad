import time

from services.home import Home
from services.predictions import monitoring, reading
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.predictions.records import DAY_S, NOON, compacted, files, record, written
from tests.services.predictions.test_compaction import M, P


def test_days_that_are_too_old_go_whole_with_all_that_belongs_to_them(home: Home):
    old, new = record(NOON - 10 * DAY_S), record(NOON)
    written(home, old, record(NOON - 10 * DAY_S, model="old alone"), new)
    log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
    for one in (old, new):
        log.append_feedback(Feedback(one.id, NOON, 1))
    log.close()
    compacted(home, NOON, days=30)
    assert reading.count(home) == 3
    compacted(home, NOON, days=10)
    assert reading.count(home) == 3
    compacted(home, NOON + DAY_S, days=10)
    assert [one.id for one in reading.recent(home)] == [new.id]
    assert monitoring.features(home, P, M)["id"].unique().to_pylist() == [new.id]
    assert monitoring.labelled(home, P, M)["id"].to_pylist() == [new.id]
    assert not [path for path in files(home) if "date=2026-11-19" in str(path)]
    assert not (home.serving / "predictions" / f"project={P}" / "model=old alone").exists()


def test_labels_of_nobody_go_too(home: Home):
    log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
    log.append_feedback(Feedback("never", NOON, 1))
    log.close()
    compacted(home, time.time(), days=5)
    assert monitoring.unknown(home).count == 1
    compacted(home, time.time() + 6 * DAY_S, days=5)
    assert monitoring.unknown(home).count == 0
    assert not Folder(home).unknown_files()
