"""How a budget goes down over its window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.objectives.counting import Minutes
from services.objectives.course import course
from services.objectives.models import DAY_S, Objective

NOW = 1_795_953_600.0 + 17
OBJECTIVE = Objective("errors", 0.9, 1)


def minutes(*rows: tuple[float, int, int]) -> Minutes:
    """Return (minutes ago, requests, failed)."""
    ordered = sorted(rows, reverse=True)
    at = np.array([int((NOW - ago * 60) // 60) for ago, _, _ in ordered], dtype=np.int64)
    asked, bad = (np.array([row[n] for row in ordered], dtype=np.int64) for n in (1, 2))
    return Minutes(at, asked, bad, np.zeros(len(at), dtype=np.int64))


def test_it_begins_whole_and_ends_with_what_is_left():
    found = course(minutes((1200, 500, 20), (600, 300, 30), (0, 200, 10)), OBJECTIVE, NOW)
    assert found is not None
    assert (found.at[0], found.at[-1]) == (NOW - DAY_S, NOW)
    assert (found.left[0], found.left[-1]) == (1.0, pytest.approx(0.4))
    assert found.left[-2] == pytest.approx(0.5), "the minute that is not over counts at the end"
    assert {round(one, 6) for one in found.left} == {1.0, 0.8, 0.5, 0.4}
    assert found.left[119] == pytest.approx(0.8)


def test_nobody_asked_and_more_than_there_was():
    assert course(minutes(), OBJECTIVE, NOW) is None
    assert course(minutes((5000, 10, 10)), OBJECTIVE, NOW) is None, "before the window"
    over = course(minutes((10, 100, 30)), OBJECTIVE, NOW)
    assert over is not None
    assert over.left[-1] == pytest.approx(-2.0)


@given(
    st.dictionaries(
        st.integers(0, 1439), st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=1
    )
)
def test_it_never_rises_and_its_end_is_the_rate_of_the_window(seen):
    rows = [(float(ago), asked, min(asked, bad)) for ago, (asked, bad) in seen.items()]
    found = course(minutes(*rows), OBJECTIVE, NOW)
    assert found is not None
    assert all(a >= b for a, b in zip(found.left, found.left[1:], strict=False))
    total, bad = sum(row[1] for row in rows), sum(row[2] for row in rows)
    assert found.left[-1] == pytest.approx(1 - bad / total / 0.1)
