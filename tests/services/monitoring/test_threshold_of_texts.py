"""The threshold that somebody set, where several figures of a text moved."""

import numpy as np
import pyarrow as pa
import pytest

from services.monitoring import vectors
from services.monitoring.reference import Reference
from services.monitoring.verdict import Rules, judge

SPORT = ["match", "goal", "coach", "field", "score", "team"]
MONEY = ["share", "price", "bank", "stock", "trade", "fund"]


def table(seed: int, sport: float, longest: int) -> pa.Table:
    """Return texts of four words and more; ``sport``: the share of those of sport."""
    rng = np.random.default_rng(seed)
    topics, lengths = rng.random(5000) < sport, rng.integers(4, longest + 1, 5000)
    texts = [
        " ".join(rng.choice(SPORT if topic else MONEY, length))
        for topic, length in zip(topics, lengths, strict=True)
    ]
    return pa.table({"input.text": texts})


@pytest.mark.parametrize(("threshold", "figure"), [(0.1, "in words"), (0.4, "in its words")])
def test_what_lies_below_it_does_not_hide_what_lies_above(
    monkeypatch: pytest.MonkeyPatch, threshold: float, figure: str
):
    """Texts are longer by a third of a standard deviation, surely, and of one topic instead of two.

    Of fewer rows, as where vectors are read of 2,000 of 50,000, the other topic is less sure.
    """
    monkeypatch.setattr(vectors, "ROWS", 400)
    base = Reference(table(0, 0.5, 9), "the evaluation data")
    (column,) = judge(base, table(1, 1.0, 10), Rules(threshold=threshold))[0].columns
    assert column.state == "drifted"
    assert column.measure is not None
    assert column.measure.endswith(figure)
