"""How fast a run went, by its own steps."""

import pytest

from services.telemetry.speed import Point, by_halves, slowdown, speed
from tests.services.telemetry.recordings import at


def stretch(begin, end):
    return (at(begin).timestamp(), at(end).timestamp())


def points(*pairs: tuple[float, int]):
    return [Point(at(seconds), step) for seconds, step in pairs]


def test_steps_within_some_stretches():
    logged = points((0, 0), (100, 100), (200, 500))
    assert speed(logged, [stretch(0, 100)]) == pytest.approx(1)
    assert speed(logged, [stretch(100, 200)]) == pytest.approx(4)
    assert speed(logged, [stretch(50, 150)]) == pytest.approx(2.5)
    assert speed(logged, [stretch(0, 50), stretch(150, 200)]) == pytest.approx(2.5)
    assert speed(logged, [stretch(0, 100), stretch(50, 100)]) == pytest.approx(1)  # once


def test_too_little_is_chance():
    assert speed(points((0, 0), (19, 100)), [stretch(0, 19)]) is None
    assert speed(points((0, 0), (100, 2)), [stretch(0, 100)]) is None
    assert speed(points((0, 0), (100, 50)), [stretch(200, 300)]) is None
    assert speed([], [stretch(0, 100)]) is None
    assert speed(points((5, 1)), [stretch(0, 100)]) is None


def test_steps_that_go_back_are_left_out_with_their_time():
    logged = points((0, 0), (50, 100), (60, 0), (110, 100))
    assert speed(logged, [stretch(0, 110)]) == pytest.approx(2)


def test_a_slowdown_is_against_what_is_left_undisturbed():
    logged = points((0, 0), (100, 1000), (200, 1500), (300, 2500))
    found = slowdown(logged, [stretch(100, 200)], [stretch(0, 300)])
    assert (found.reference_per_s, found.per_s) == (pytest.approx(10), pytest.approx(5))
    assert found.said == (
        "Its steps meanwhile ran 50 % slower than when nothing disturbed it (5, not 10/s)."
    )
    assert slowdown(logged, [stretch(0, 300)], [stretch(0, 300)]) is None


def test_no_slower_is_said_too():
    logged = points((0, 0), (300, 3000))
    found = slowdown(logged, [stretch(100, 200)], [stretch(0, 300)])
    assert found.lost == 0
    assert found.said.startswith("Its steps meanwhile ran no slower than when nothing disturbed it")


def test_halves_that_differ_by_little_do_not_differ():
    assert by_halves(points((0, 0), (100, 1000), (200, 1970)), at(0), at(200)) is None
    assert by_halves(points((0, 0), (100, 1000), (200, 1800)), at(0), at(200)).lost == (
        pytest.approx(0.2)
    )
