"""Since when a deployment is slower or fails more, out of the prediction log.

The last day is looked at by five minutes, and three days by the hour: what lasts longer than a
day would else be on both sides. The log is asked for figures of each stretch, not for its rows.
"""

import math

from services.causes import onset
from services.causes.logged import DAY_S
from services.causes.models import Symptom
from services.causes.onset import Step
from services.home import Home
from services.predictions import reading

SEARCHED_S = 3 * DAY_S
"""So far back a begin is looked for."""
_STEP_S, _LONG_STEP_S = 300.0, 3600.0
RISE = 0.1
"""Part of what it was, by which it must be higher since, to be a begin."""
_TINY_MS = 0.01


def of_requests(home: Home, project: str, model: str, symptom: Symptom, now: float) -> float | None:
    """Return since when it is slow, or fails; None: too few were asked to tell.

    The begin is the step of the last day, but where it was bad before that already, and got bad
    by more at a step within three days, it is that one.

    Raises:
        PlatformError: The log cannot be read.
    """
    of = home, project, model, symptom
    recent = _step(*of, now - DAY_S, now, _STEP_S)
    far = _step(*of, now - SEARCHED_S, now, _LONG_STEP_S)
    if far is None or not _is_real(symptom, far):
        return None if recent is None else recent.at
    if recent is not None and _is_real(symptom, recent):
        was_bad = recent.before > (far.before + far.after) / 2
        if not was_bad or recent.rise >= far.rise:
            return recent.at
    near = _step(*of, far.at - _LONG_STEP_S, far.at + _LONG_STEP_S, _STEP_S)
    return near.at if near is not None and _is_real(symptom, near) else far.at


def _step(
    home: Home, project: str, model: str, symptom: Symptom, since: float, until: float,
    step_s: float,
) -> Step | None:  # fmt: skip
    course = reading.series(home, project, model, since, until, step_s)
    if symptom == "errors":
        return onset.step_up([(b.at, b.requests, b.errors / b.requests) for b in course])
    known = [(b.at, b.requests, b.p50_ms, b.p95_ms) for b in course]
    # Ratios count, not milliseconds: the median and the tail each as much as the other.
    points = [
        (at, float(count), math.log(max(p50, _TINY_MS) * max(p95, _TINY_MS)))
        for at, count, p50, p95 in known
        if p50 is not None and p95 is not None
    ]
    return onset.step_up(points)


def _is_real(symptom: Symptom, one: Step) -> bool:
    if symptom != "errors":
        return one.rise >= 2 * math.log(1 + RISE)  # of the median and of the tail together
    spread = (
        one.before * (1 - one.before) / one.n_before + one.after * (1 - one.after) / one.n_after
    )
    return one.rise >= max(RISE * one.before, onset.SURE * math.sqrt(spread))
