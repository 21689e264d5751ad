"""How right answers were in detail, pure."""

import numpy as np
import pytest

from services.monitoring import breakdown, labels
from services.monitoring.breakdown import Share

NOW = labels.of_rows(["a", "a", "a", "b"], ["a", "a", "b", "c"])
THEN = labels.of_rows(["a", "a", "b"], ["a", "b", "b"])


def test_precision_and_recall_stand_by_class_then_and_now():
    found = breakdown.of(NOW, THEN)
    assert found is not None
    assert [one.name for one in found.classes] == ["a", "b", "c"], "the most labelled first"
    a, b, c = found.classes
    assert (a.precision, a.recall) == (Share(1.0, 2), Share(pytest.approx(2 / 3), 3))
    assert (a.precision_then, a.recall_then) == (Share(1.0, 1), Share(0.5, 2))
    assert (b.precision, b.recall) == (Share(0.0, 1), Share(0.0, 1))
    assert (c.precision, c.recall) == (Share(0.0, 1), Share(None, 0)), "of none nothing is known"
    assert c.recall_then == Share(None, 0)


def test_the_matrix_counts_which_was_taken_for_which():
    found = breakdown.of(NOW, None)
    assert found is not None
    assert (found.names, found.matrix) == (("a", "b", "c"), ((2, 1, 0), (0, 0, 1), (0, 0, 0)))
    assert found.classes[0].recall_then is None


def test_many_classes_have_no_matrix_and_texts_no_table():
    for many, table in ((21, 21), (300, 0)):
        names = [f"n{one}" for one in range(many)]
        found = breakdown.of(labels.of_rows(names, names), None)
        assert found is not None
        assert (found.names, found.matrix, len(found.classes)) == ((), (), table)


def test_errors_then_and_now_have_the_same_bars():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=500)
    now = labels.of_rows(truth.tolist(), (truth + 1.0 + rng.normal(0, 0.1, 500)).tolist())
    then = labels.of_rows(truth.tolist(), (truth + rng.normal(0, 0.1, 500)).tolist())
    found = breakdown.of(now, then)
    assert found is not None
    assert found.off is not None
    assert found.off_then is not None
    assert found.off.edges == found.off_then.edges
    assert sum(found.off.shares) == pytest.approx(1.0)
    middle = (np.array(found.off.edges[1:]) + found.off.edges[:-1]) / 2
    assert float(middle @ np.array(found.off.shares)) == pytest.approx(1.0, abs=0.05)
    assert found.classes == ()


def test_errors_that_are_all_the_same_are_one_bar():
    found = breakdown.of(labels.of_rows([0.5, 1.25], [1.0, 1.75]), NOW)
    assert found is not None
    assert found.off is not None
    assert max(found.off.shares) == 1.0
    assert found.off_then is None, "labels of another kind"


def test_without_labels_there_is_none():
    assert breakdown.of(labels.of_rows([], []), THEN) is None
