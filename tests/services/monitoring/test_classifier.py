"""The domain classifier: no alarm where nothing moved, and sight of what no element shows."""

from collections.abc import Callable

import numpy as np
import pytest

from services.monitoring import classifier

Draw = Callable[[np.random.Generator, int], np.ndarray]
WIDE = 48
_made = np.random.default_rng(5)
TOPICS = _made.normal(size=(8, WIDE))
TURN = np.linalg.qr(_made.normal(size=(WIDE, WIDE)))[0]
SPREADS = np.exp(-np.arange(WIDE) / 8)


def topics(first: int, last: int) -> Draw:
    """Return unit vectors around some topics."""

    def draw(rng: np.random.Generator, rows: int) -> np.ndarray:
        values = TOPICS[rng.integers(first, last, rows)] + rng.normal(size=(rows, WIDE)) * 1.5
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    return draw


def uneven(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Values around 0, some elements of which vary much."""
    return rng.normal(size=(rows, WIDE)) * SPREADS


def even(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.normal(size=(rows, WIDE))


def tailed(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.standard_t(2, size=(rows, WIDE))


@pytest.mark.parametrize("draw", [topics(0, 8), uneven, tailed])
@pytest.mark.parametrize(("before", "later"), [(200, 200), (60, 300)])
def test_what_did_not_move_looks_as_if_it_had_no_more_often_than_chance(draw, before, later):
    trials = 300
    found = []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        one = classifier.apart(draw(rng, before), draw(rng, later))
        assert one is not None
        found.append(one.p_value)
    p_values = np.array(found)
    assert (p_values <= 0.0001).sum() == 0, "the level of a verdict"
    assert (p_values <= 0.01).mean() <= 0.03
    assert 0.02 <= (p_values <= 0.05).mean() <= 0.09, "neither too bold nor too careful"


def test_rows_of_one_request_are_alike_and_raise_no_alarm():
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        requests = np.repeat(np.arange(30), 20)
        middle = rng.normal(size=(30, 8))[requests]
        later = middle * 0.7 + rng.normal(size=(600, 8)) * 0.7
        one = classifier.apart(rng.normal(size=(400, 8)), later, None, requests)
        assert one is not None
        wrong += one.p_value <= 0.001
    assert wrong <= 1
    plain = [
        classifier.apart(rng.normal(size=(400, 8)), rng.normal(size=(30, 8))[requests])
        for rng in map(np.random.default_rng, range(20))
    ]
    assert any(one and one.p_value <= 0.001 for one in plain), "requests do make the difference"


def moved(change: Callable[[np.ndarray], np.ndarray], draw: Draw, seed: int = 0):
    rng = np.random.default_rng(seed)
    one = classifier.apart(draw(rng, 600), change(draw(rng, 800)))
    assert one is not None
    return one


@pytest.mark.parametrize(
    ("change", "draw"),
    [
        (lambda rows: rows[:, ::-1], topics(0, 8)),
        (lambda rows: rows @ TURN, uneven),
        (lambda rows: rows[:, np.roll(np.arange(WIDE), 5)], uneven),
        (lambda rows: rows + 0.5 * (np.arange(WIDE) < 3), even),
    ],
    ids=["turned about", "rotated", "elements in other places", "3 of 48 higher"],
)  # fmt: skip
def test_what_moved_is_seen(change, draw):
    for seed in range(10):
        found = moved(change, draw, seed)
        assert found.p_value <= 0.0001
        assert found.auc >= 0.6


def test_other_topics_are_seen_though_each_is_a_unit_vector():
    rng = np.random.default_rng(1)
    found = classifier.apart(topics(0, 4)(rng, 500), topics(4, 8)(rng, 500))
    assert found is not None
    assert found.auc > 0.9
    assert found.scores[1].mean() > found.scores[0].mean()


def test_elements_that_go_together_in_another_way_are_seen_though_each_is_as_it_was():
    rng = np.random.default_rng(2)
    then, now = rng.normal(size=(800, 6)), rng.normal(size=(800, 6))
    now[:, 1] = 0.7 * now[:, 0] + np.sqrt(0.51) * now[:, 1]
    found = classifier.apart(then, now)
    assert found is not None
    assert found.p_value <= 0.0001


def test_gaps_constants_and_single_elements_harm_nothing():
    rng = np.random.default_rng(3)
    then, now = rng.normal(size=(300, 5)), rng.normal(size=(300, 5))
    then[:, 0], now[:, 0] = 0.1, 0.1
    then[::7, 1], now[::5, 1] = np.nan, np.nan
    then[:, 2], now[:, 2] = np.nan, np.nan
    for cut in (slice(0, 5), slice(0, 1), slice(2, 3), slice(3, 4)):
        found = classifier.apart(then[:, cut], now[:, cut])
        assert found is not None
        assert found.p_value > 0.0001
        assert np.isfinite(np.concatenate(found.scores)).all()
    assert classifier.apart(then[:, :1], now[:, :1]).auc == 0.5  # type: ignore[union-attr]


def test_of_too_few_rows_nothing_is_said():
    rows = np.random.default_rng(4).normal(size=(40, 3))
    assert classifier.apart(rows, rows[:19]) is None
    assert classifier.apart(rows, rows[:20]) is not None
    assert classifier.apart(rows, rows[:0]) is None
