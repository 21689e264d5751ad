"""A shadow beside the live version where a request has many rows, or there are many requests."""

import time

from services.monitoring import beside, labels


def test_many_labels_cost_no_more_than_they_are_many():
    many = 150_000
    found = labels.of_rows(["a"] * many, ["a", "b"] * (many // 2))
    began = time.process_time()
    by_label = beside._by_label(found)
    took_s = time.process_time() - began
    assert [float(by_label[n][0]) for n in (0, 1, many - 1)] == [1.0, 0.0, 0.0]
    assert len(by_label) == many
    assert took_s < 2
