"""A prediction log with a stretch of predictions in it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from services.home import Home
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.serving.models import Privacy
from tests.services.predictions.records import NOON, request_id

HOUR_S = 3600.0
__all__ = ["HOUR_S", "NOON", "asked"]


def asked(
    home: Home,
    begin: float,
    rows: int,
    *,
    shift: float = 0.0,
    seed: int = 0,
    right: float | None = None,
    span_s: float = HOUR_S,
    privacy: Privacy = "full",
    version: int = 3,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda inputs: inputs,
) -> list[str]:
    """Write predictions, evenly over ``span_s``; ``right``: the share with a true label."""
    rng = np.random.default_rng(seed)
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    ids = []
    for n in range(rows):
        at = begin + span_s * n / rows
        values = rng.normal(size=4)
        values[0] += shift
        inputs = change({name: [float(v)] for name, v in zip("abcd", values, strict=True)})
        outputs = {"label": [int(values[0] > 0)], "confidence": [float(rng.random())]}
        one = request_id(at)
        log.append(
            Record(one, at, "p", "m", version, "plain", 200, 1.0, inputs=inputs, outputs=outputs),
            privacy=privacy,
        )
        if right is not None:
            label = outputs["label"][0] if rng.random() < right else 1 - outputs["label"][0]
            log.append_feedback(Feedback(one, at + 60.0, label), privacy=privacy)
        ids.append(one)
    log.close()
    return ids
