from typing import Any

import pytest

from services.serving.drift import Found
from services.serving.figures import VersionFigures
from services.serving.guards import Watched, speak
from services.serving.models import Guards

GIB = 1 << 30


def found(share):
    return Found("tiny.double", 2, 0.0, share, "Far apart.")


def seen(**figures: Any):
    more = {name: figures.pop(name) for name in list(figures) if name in Watched.__slots__}
    return Watched(VersionFigures(2, **figures), **more)


@pytest.mark.parametrize(
    ("watched", "said"),
    [
        (seen(total=100, total_errors=3), "3 of 100 requests failed (3 %); at most 2 % may."),
        (seen(total=100, total_errors=2), ""),
        (seen(total=19, total_errors=19), ""),  # too few to say
        (seen(total=120, total_errors=8, total_before=100, errors_before=8), ""),
        (seen(total=30, total_errors=9, total_before=500), "9 of 30 requests failed"),
        (seen(requests=50, p95_ms=301.0, live_p95_ms=100.0), "Its p95 is 301 ms, 3.0 times"),
        (seen(requests=50, p95_ms=299.0, live_p95_ms=100.0), ""),
        (seen(requests=50, p95_ms=49.0, live_p95_ms=1.0), ""),  # nobody feels that
        (seen(requests=19, p95_ms=900.0, live_p95_ms=1.0), ""),
        (seen(requests=50, p95_ms=900.0), ""),  # nothing to hold it against
        (seen(peak_bytes=16 * GIB, reserved_bytes=10 * GIB), "took 16.0 GB and reserved 10.0 GB"),
        (seen(peak_bytes=15 * GIB, reserved_bytes=10 * GIB), ""),
        (seen(peak_bytes=15 * GIB), ""),
        (seen(thermal_level=3), "thermal level 3; at most 2"),
        (seen(thermal_level=4, thermal_before=4), ""),
        (seen(thermal_level=2), ""),
        (seen(drift=found(0.9)), ""),  # not guarded unless it is asked for
    ],
)
def test_a_guard_speaks_when_it_should(watched, said):
    found = speak(Guards(), watched)
    assert said in found if said else not found


def test_drift_is_guarded_when_it_is_asked_for():
    guards = Guards(max_drift=0.5)
    assert speak(guards, seen(drift=found(0.6))) == "Far apart. At most 50 % of the columns may."
    assert speak(guards, seen(drift=found(0.5))) == ""
    assert speak(guards, seen(drift=found(None))) == ""
    assert speak(guards, seen()) == ""


def test_what_is_not_guarded_says_nothing():
    none = Guards(
        max_error_share=None, max_latency_ratio=None, max_memory_ratio=None, max_thermal_level=None
    )
    worst = seen(
        total=100, total_errors=100, requests=100, p95_ms=9999.0, live_p95_ms=1.0,
        peak_bytes=99 * GIB, reserved_bytes=1, thermal_level=4,
    )  # fmt: skip
    assert speak(Guards(), worst)
    assert speak(none, worst) == ""
