"""Labels as Evidently reads them: the newest, of one kind, and what is left out is said."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.monitoring import exporting_labels, labels
from services.monitoring.labels import Labelled
from services.monitoring.reference import ANSWER, LABEL, Reference, made

BARE = made(pa.table({"input.a": [1.0, 2.0]}), "the baseline")


def baseline(target: list[object], prediction: list[object]) -> Reference:
    return made(pa.table({"input.a": [0.0] * len(target), LABEL: target, ANSWER: prediction}), "it")


def found(target: list[object], prediction: list[object], unusable: int = 0) -> Labelled:
    one = labels.of_rows(target, prediction)
    at = np.arange(len(target), dtype=float)[::-1]  # the newest first, as labels come in any order
    return replace(one, at=at, delay_s=at * 0, requests=len(target), unusable=unusable)


def rows(table: pa.Table) -> list[tuple[object, object]]:
    return list(zip(table["target"].to_pylist(), table["prediction"].to_pylist(), strict=True))


def test_classes_of_both_sides_stand_beside_each_other_as_texts():
    beside, notes = exporting_labels.tables(found([1, 2], [1, 1]), baseline([3.0, 1.0], [3, 2]))
    assert beside is not None
    assert beside.reference is not None
    assert (beside.task, notes) == ("classification", ())
    assert rows(beside.current) == [("2", "1"), ("1", "1")]
    assert rows(beside.reference) == [("3", "3"), ("1", "2")]


def test_no_label_is_nothing_to_draw_and_nothing_to_say():
    assert exporting_labels.tables(found([], []), BARE) == (None, ())


@pytest.mark.parametrize("other", [BARE, baseline(["a", "b"], ["a", "b"])])
def test_a_baseline_without_labels_of_the_kind_is_left_out_and_told(other: Reference):
    beside, (said,) = exporting_labels.tables(found([1.5, 2.5], [1.0, 2.0]), other)
    assert beside is not None
    assert (beside.task, beside.reference) == ("regression", None)
    assert said.startswith("The baseline has no labels of this kind")


def test_texts_that_a_model_writes_are_no_classes():
    beside, (said,) = exporting_labels.tables(found([f"t{n}" for n in range(60)], ["x"] * 60), BARE)
    assert beside is None
    assert said == "Labels have 61 different values: they are not drawn beside answers."


def test_labels_that_fit_no_answer_are_counted():
    _, notes = exporting_labels.tables(found([1], [1], unusable=7), baseline([1], [1]))
    assert notes == ("7 labels fit no answer and are left out.",)


def test_of_many_the_newest_are_drawn():
    many = [0] * 3 + [1] * exporting_labels.ROWS
    beside, _ = exporting_labels.tables(found(many, many), baseline([1], [1]))
    assert beside is not None
    assert len(beside.current) == exporting_labels.ROWS
    assert rows(beside.current)[-3:] == [("0", "0")] * 3  # newest last


def test_tables_are_written_where_they_are_read(tmp_path):
    beside, _ = exporting_labels.tables(found([1, 2], [1, 1]), BARE)
    assert beside is not None
    none, current = exporting_labels.written(beside, tmp_path)
    assert none is None
    assert pq.read_table(current).equals(beside.current)
