"""Evaluation data that is kept, when it is asked for again and that comes to nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from services.errors import PlatformError
from services.home import Home
from services.monitoring import folder, reference, vectors
from services.monitoring.verdict import judge
from tests.services.monitoring.test_computing import TrackingServer
from tests.services.monitoring.test_vectors import document, embedded


@pytest.fixture
def old(home: Home) -> Iterator[Path]:
    """Evaluation data of a release that kept no vectors."""
    server = TrackingServer(document("vector", embedded(0, 100)))
    reference.evaluation(home, server, "p", "m", 3)  # type: ignore[arg-type]
    path = folder.reference(home, "p", "m", "version-3")
    pq.write_table(pq.read_table(path).drop_columns(["vector.input.vector"]), path)
    return path


def test_it_stays_where_the_run_has_none_any_more(home: Home, old: Path):
    assert old.exists()
    found = reference.evaluation(home, TrackingServer(None), "p", "m", 3)  # type: ignore[arg-type]
    assert found is not None
    assert len(found.table) == 100


def test_it_stays_where_the_new_one_has_no_room(
    home: Home, old: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise PlatformError("It could not be written: No space left on device.")

    monkeypatch.setattr(reference, "_keep", full)
    server = TrackingServer(document("vector", embedded(0, 100)))
    found = reference.evaluation(home, server, "p", "m", 3)  # type: ignore[arg-type]
    assert found is not None
    assert len(found.table) == 100
    old.unlink()
    with pytest.raises(PlatformError):
        reference.evaluation(home, server, "p", "m", 3)  # type: ignore[arg-type]


def test_figures_that_are_only_named_as_those_of_a_vector_are_fetched_once(home: Home):
    values = np.random.default_rng(0).normal(size=(600, 4))
    names = ("a.mean", "a.std", "a.min", "a.max")
    inputs = {name: values[:, place].tolist() for place, name in enumerate(names)}
    content = {"v": 1, "rows": 600, "inputs": inputs, "outputs": {"label": [0, 1] * 300}}
    server = TrackingServer(orjson.dumps(content))
    for _ in range(3):
        found = reference.evaluation(home, server, "p", "m", 3)  # type: ignore[arg-type]
    assert server.asked == 1
    assert found is not None
    assert not vectors.lacks(found.table)
    (data, *_) = judge(found, found.table)
    assert {one.name for one in data.columns} == {f"input.{name}" for name in names}
    assert data.state == "steady"
    assert "has no values" not in data.said
