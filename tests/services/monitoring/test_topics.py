"""Texts of another topic, though they are as long and of words that were there before."""

import numpy as np
import pyarrow as pa
import pytest

from services.monitoring.reference import Reference
from services.monitoring.verdict import judge

SPORT = ["match", "goal", "coach", "field", "score", "team"]
MONEY = ["share", "price", "bank", "stock", "trade", "fund"]


def table(seed: int, rows: int, sport: float) -> pa.Table:
    """Return ten words of five letters or so a text; ``sport``: the share of texts of sport."""
    rng = np.random.default_rng(seed)
    texts = [
        " ".join(rng.choice(SPORT if rng.random() < sport else MONEY, 10)) for _ in range(rows)
    ]
    return pa.table({"input.text": texts})


def test_another_mix_of_topics_is_found():
    base = Reference(table(0, 500, 0.5), "the evaluation data")
    (column,) = judge(base, table(1, 500, 0.9))[0].columns
    assert (column.kind, column.state) == ("text", "drifted")
    assert "by its words in " in column.said
    assert column.reference is not None


@pytest.mark.parametrize("sport", [0.5, 1.0])
def test_the_same_topics_raise_no_alarm(sport):
    wrong = 0
    for seed in range(100):
        base = Reference(table(2 * seed, 150, sport), "the evaluation data")
        wrong += judge(base, table(2 * seed + 1, 150, sport))[0].state == "drifted"
    assert wrong == 0
