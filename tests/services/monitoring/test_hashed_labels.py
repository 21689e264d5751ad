"""Labels that are hashes, beside those of evaluation data, which are plain."""

import contextlib

from services.home import Home
from services.monitoring import labelled
from services.monitoring.computing import Monitor
from services.monitoring.store import VerdictStore
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, by_kind, evaluated


def test_they_are_not_compared_after_the_privacy_changed(home: Home):
    """Predictions are plain by now, so the window is not hashed; labels of a day's are."""
    ids = asked(home, NOW - 6 * HOUR_S, 300, seed=1, privacy="hash")
    log = PredictionLog.open(home, "labels", reserve_bytes=1 << 16)
    for place, one in enumerate(ids):
        log.append_feedback(Feedback(one, NOW - 5 * HOUR_S, place % 2, project="p"), privacy="hash")
    log.close()
    asked(home, NOW - HOUR_S, 600, seed=2, right=0.95)
    with contextlib.closing(VerdictStore(home)) as store:
        monitor = Monitor(home, store, TrackingServer(evaluated()))  # type: ignore[arg-type]
        found = by_kind(monitor.check("p", "m", 3, report=False, now=NOW))["prediction"]
    assert found.baseline.startswith("the evaluation data")
    assert labelled.TRUTH not in {one.name for one in found.columns}
    assert labelled.TRUTH not in found.named("drifted")
