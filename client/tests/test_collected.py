"""Collected rows as a project reads them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlops_client.collected import labelled


def put(data: Path, name: str, until: float, rows: list[dict[str, Any]], model: str = "m") -> None:
    folder = data / "collected"
    folder.mkdir(exist_ok=True)
    meta = {b"mlops.collected": json.dumps({"v": 1, "model": model, "until": until}).encode()}
    whole = [{"row": 0, "label": None, **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(whole).replace_schema_metadata(meta), folder / name)


def row(request: str, x: list[float], label: int | None = 1) -> dict[str, Any]:
    return {"id": request, "label": label, "input.x": x, "input.n": len(x)}


def test_labelled_rows_are_there_once_as_the_newest_file_has_them(tmp_path: Path):
    put(tmp_path, "a.parquet", 2.0, [row("1", [1.0]), row("2", [2.0], None), row("3", [3.0], 7)])
    put(tmp_path, "b.parquet", 1.0, [row("3", [9.0], 5), row("4", [1.0], 4), row("5", [5.0])])
    put(tmp_path, "c.parquet", 3.0, [row("6", [6.0])], model="other")
    found = labelled(tmp_path, "m", ["x", "n"])
    assert [x.tolist() for x in found.inputs["x"]] == [[3.0], [1.0], [5.0]]
    assert found.inputs["n"] == [1, 1, 1]
    assert (found.labels, found.age, len(found)) == ([7, 1, 1], [0, 0, 1], 3)
    assert len(labelled(tmp_path, "m", ["x", "unknown"])) == 0


def test_a_row_is_held_out_by_its_inputs_alone(tmp_path: Path):
    drawn = np.random.default_rng(0).random((400, 3)).tolist()
    put(tmp_path, "a.parquet", 1.0, [row(str(n), x) for n, x in enumerate(drawn)])
    first = labelled(tmp_path, "m", ["x"])
    assert 0.2 < np.mean(first.held_out) < 0.3
    put(tmp_path, "b.parquet", 2.0, [row(f"b{n}", x, 2) for n, x in enumerate(drawn[::-1])])
    again = labelled(tmp_path, "m", ["x"])
    assert set(again.labels) == {2}

    def sides(found: Any) -> dict[bytes, bool]:
        pairs = zip(found.inputs["x"], found.held_out, strict=True)
        return {x.tobytes(): held for x, held in pairs}

    assert sides(again) == sides(first)


def test_nothing_collected_is_nothing(tmp_path: Path):
    assert len(labelled(tmp_path, "m", ["x"])) == 0


def test_without_pyarrow_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.parquet", 1.0, [row("1", [1.0])])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(RuntimeError, match="add pyarrow"):
        labelled(tmp_path, "m", ["x"])
