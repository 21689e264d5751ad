"""Columns of vectors, where some rows have none."""

import orjson
import pytest

from services.predictions.typed import Builder


def columns(rows: list[object]) -> dict[str, list[object]]:
    builder = Builder()
    builder.add("id", 0, 1, False, len(rows), orjson.dumps({"x": rows}).decode(), None)
    table = builder.table()
    assert table is not None
    return {
        name: table[name].to_pylist() for name in table.column_names if name.startswith("input")
    }


def test_a_row_without_a_vector_is_a_gap_among_the_others():
    assert columns([[1, 2], None, [3, 4]]) == {
        "input.x[0]": [1, None, 3],
        "input.x[1]": [2, None, 4],
    }
    long = columns([[0.0, 1.0] * 20, None])
    assert long["input.x.mean"] == [0.5, None]
    assert long["input.x.max"] == [1.0, None]


@pytest.mark.parametrize("odd", ["text", {"a": 1}, ["a"]])
def test_rows_that_are_something_else_are_kept_as_they_were_said(odd: object):
    (values,) = columns([[1, 2], odd]).values()
    assert values[0] == "[1,2]"
