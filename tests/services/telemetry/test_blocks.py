"""Columns come back as they went in; what was changed on disk is noticed."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry import blocks
from services.telemetry.blocks import Block, DamagedError

NUMBERS = st.one_of(
    st.integers(-(2**61), 2**61), st.integers(-3, 3), st.integers(0, 9).map(lambda n: n * 16_384)
)


@given(st.lists(NUMBERS, max_size=200))
def test_a_column_comes_back_as_it_went_in(numbers: list[int]):
    values = np.array(numbers, dtype=np.int64)
    data, *how = blocks.encode(values)
    assert blocks.decode(data, len(values), *how).tolist() == numbers


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject):
    rng = np.random.default_rng(1)
    columns = {"a": rng.integers(0, 1000, 300), "b": np.arange(300) * 7, "c": np.full(300, 5)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kind" / "0.blk"
        blocks.write(path, {"merged": ["x"]}, columns)
        whole = path.read_bytes()
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = bytearray(whole)
        damaged[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(DamagedError):
            block = Block(path)
            block.verify()
            pytest.fail(f"byte {place} of {len(whole)} was changed unnoticed")


def test_pages_of_memory_cost_what_pages_cost(tmp_path: Path):
    rng = np.random.default_rng(1)
    pages = np.cumsum(rng.integers(-3, 4, 1800))
    small, *_ = blocks.encode(pages)
    large, *_ = blocks.encode(pages * 16_384 + 5)
    assert len(large) <= len(small) + 16


@pytest.mark.parametrize("kept", [{"7": {"a": [1]}}, '{"7": {"a": [1]}}'])
def test_what_is_kept_by_the_hour_is_read_as_text_and_as_it_was_written_before(tmp_path, kept):
    path = tmp_path / "600" / "0.blk"
    blocks.write(path, {"hours": kept}, {})
    block = blocks.Block(path)
    assert block.hours == {7: {"a": [1]}}
    assert block.hours is not block.hours
    assert "hours" not in block.header
