"""Large answers are written piece by piece, and read as if they were not."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from services.gateway import writing
from services.gateway.writing import PIECE

ARRAYS: dict[str, Any] = {
    "none": np.zeros(0, np.float32),
    "few": np.arange(3.0, dtype=np.float32),
    "many": np.arange(3 * PIECE + 5, dtype=np.int64),
    "halves": np.arange(PIECE + 1, dtype=np.float16),
    "wide": np.arange(6 * PIECE, dtype=np.float64).reshape(3, -1),
    "deep": np.arange(4 * PIECE).reshape(-1, 4, 2) % 2 == 0,
    "no columns": np.zeros((5, 0), np.float32),
    "texts": ["a", '\u00fc"]'] * PIECE,
}


def plain(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


@pytest.mark.parametrize("kind", ARRAYS)
def test_a_list_is_whole(kind: str):
    values = ARRAYS[kind]
    written = writing.dumped({"x": asyncio.run(writing.listed(values))})
    assert json.loads(written) == {"x": plain(values)}


@pytest.mark.parametrize("kind", ARRAYS)
def test_rows_are_whole_and_end_with_the_shortest_column(kind: str):
    values = ARRAYS[kind]
    columns = {"x": values, "y": list(range(len(values) + 3))}
    found = json.loads(writing.dumped(asyncio.run(writing.rows(columns))))
    assert found == [{"x": x, "y": y} for x, y in zip(plain(values), columns["y"], strict=False)]
    assert json.loads(writing.dumped(asyncio.run(writing.rows({})))) == []


def test_others_have_their_turn_between_the_pieces():
    async def work() -> int:
        turns, done = 0, False

        async def other() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await writing.listed(np.zeros(10 * PIECE))
        done = True
        await beside
        return turns

    assert asyncio.run(work()) >= 10
