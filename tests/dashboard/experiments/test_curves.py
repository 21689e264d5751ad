import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.experiments.curves import line_of
from services.mirror.models import Curve


def curve(values: list[float]) -> Curve:
    steps, times = tuple(range(len(values))), (datetime(2026, 11, 24, tzinfo=UTC),) * len(values)
    odd = sum(not math.isfinite(value) for value in values)
    return Curve("r", "loss", steps, tuple(values), times, len(values), odd)


@given(
    st.lists(st.sampled_from([0.5, 1.5, math.nan, math.inf, -math.inf]), min_size=2, max_size=300),
    st.integers(2, 60),
)
def test_a_thinned_line_keeps_its_ends_and_a_gap_wherever_there_is_one(
    values: list[float], most: int
):
    line = line_of(curve(values), "step", 0.0, most)
    assert len(line.xs) <= most + 1
    assert (line.xs[0], line.xs[-1]) == (0, len(values) - 1)
    assert list(line.xs) == sorted(set(line.xs))
    for place, value in enumerate(values):
        if not math.isfinite(value):
            near = [
                y for x, y in zip(line.xs, line.ys, strict=True) if abs(x - place) <= 300 / most
            ]
            assert None in near


def test_what_is_no_number_is_a_gap_never_a_point():
    assert line_of(curve([1.0, math.nan, math.inf, -math.inf, 2.0]), "step", 0.0, 10).ys == (
        1.0, None, None, None, 2.0,
    )  # fmt: skip


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_a_gap_is_one_when_smoothed_too(smoothing: float):
    ys = line_of(curve([1.0] * 500 + [math.nan] + [1.0] * 500), "step", smoothing, 50).ys
    assert ys.count(None) == 1
