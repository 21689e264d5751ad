"""A shadow beside the live version where a request has many rows, or there are many requests."""

import time

import numpy as np
import orjson
import pytest

from services.monitoring import beside, labels
from services.monitoring.beside import Paired
from services.monitoring.series import Figures
from services.predictions import columns
from services.predictions.labels import MATCHED_TYPES


def held(live: Figures, shadow: Figures, truth: object) -> Paired:
    """Hold answers of requests against each other: a request a row, one of its rows a column."""

    def table(answers: Figures) -> object:
        rows = [
            (f"{n}", 0, 0, 1, "", "full", orjson.dumps([truth] * len(said)).decode(),
             orjson.dumps({"label": said}).decode())
            for n, said in enumerate(answers.tolist())
        ]  # fmt: skip
        return columns.table(rows, MATCHED_TYPES)

    found = beside.compared(table(live), table(shadow))  # type: ignore[arg-type]  # a table
    assert found is not None
    return found


@pytest.mark.parametrize("rows", [1, 100])
def test_rows_of_a_request_that_are_all_wrong_together_are_one_loss(rows: int):
    """By chance the shadow fails on 24 of 80 requests, the live version on 10 others."""
    requests = np.arange(80)[:, None] + np.zeros((1, rows), dtype=int)
    live, shadow = (requests >= 70).astype(int), (requests < 24).astype(int)
    found = held(live, shadow, 0)
    assert found.rows == 80 * rows
    assert found.worth == pytest.approx(80)
    assert found.p_value == pytest.approx(0.0122, abs=1e-4)
    assert not found.is_worse()


@pytest.mark.parametrize("rows", [1, 100])
def test_errors_of_a_request_that_grow_together_are_one_difference(rows: int):
    off = np.random.default_rng(5).normal(0.2, 1.0, (80, 1)) + np.zeros((1, rows))
    found = held(np.full((80, rows), 10.25), 10.25 + off, 0.5)
    assert found.metric == "mae"
    assert found.worth == pytest.approx(80)
    assert not found.is_worse()
    assert found.p_value > 1e-3


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_few_requests_of_many_rows_are_too_few(wrong: int):
    shadow = np.zeros((20, 100), dtype=int)
    shadow[0] = wrong
    found = held(np.zeros((20, 100), dtype=int), shadow, 0)
    assert found.rows == 2000
    assert not found.enough


def test_rows_of_a_request_that_are_not_alike_count_each():
    right = np.random.default_rng(6).random((2, 40, 50)) < 0.5
    found = held(right[0].astype(int), right[1].astype(int), 1)
    assert found.worth > 1500


def test_many_labels_cost_no_more_than_they_are_many():
    many = 150_000
    found = labels.of_rows(["a"] * many, ["a", "b"] * (many // 2))
    began = time.process_time()
    by_label = beside._by_label(found)
    took_s = time.process_time() - began
    assert [float(by_label[n][0]) for n in (0, 1, many - 1)] == [1.0, 0.0, 0.0]
    assert len(by_label) == many
    assert took_s < 2
