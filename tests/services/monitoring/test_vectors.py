"""Vectors and pictures in a check: read from the log, judged as wholes, told in sentences."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from services.errors import EngineUnreachableError
from services.home import Home
from services.monitoring import folder, reference, vectors, wholes
from services.monitoring import pictures as pictured
from services.monitoring.computing import Monitor
from services.monitoring.models import ColumnVerdict
from services.monitoring.reference import Baseline, Reference
from services.monitoring.store import VerdictStore
from services.monitoring.verdict import Judged, judge
from services.predictions import monitoring as log
from services.predictions import raw
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.predictions.typed import Builder
from tests.services.monitoring.test_computing import NOW, TrackingServer
from tests.services.predictions.records import request_id

WIDE = 48
HOUR_S = 3600.0
CENTRE = np.random.default_rng(7).normal(size=WIDE)
Change = Callable[[np.ndarray], Any]


def embedded(seed: int, rows: int) -> np.ndarray:
    values = CENTRE + np.random.default_rng(seed).normal(size=(rows, WIDE))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def document(name: str, values: Any) -> bytes:
    answers = [n % 2 for n in range(len(values))]
    plain = values if isinstance(values, list) else values.tolist()
    said = {"v": 1, "rows": len(plain), "inputs": {name: plain}, "outputs": {"label": answers}}
    return orjson.dumps(said)


def evaluation(name: str, values: Any, ignored: tuple[str, ...] = ()) -> Reference:
    table, _ = reference.parse(document(name, values))
    return reference.made(table, "the evaluation data of version 3", ignored=ignored)


def window(name: str, values: Any) -> pa.Table:
    return reference.parse(document(name, values))[0]


def line(judged: list[Judged], name: str, kind: str = "data") -> ColumnVerdict:
    (family,) = (one for one in judged if one.kind == kind)
    return next(one for one in family.columns if one.name == name)


# Pure


def test_elements_in_other_places_are_found_that_no_figure_of_the_vector_shows():
    base = evaluation("vector", embedded(0, 500))
    calm = judge(base, window("vector", embedded(1, 600)))
    assert [one.state for one in calm] == ["steady"] * 3
    assert line(calm, "input.vector").kind == "vector"
    turned = judge(base, window("vector", embedded(1, 600)[:, ::-1]))
    found = line(turned, "input.vector")
    assert found.state == "drifted"
    assert found.measure == wholes.MEASURE
    assert found.reference is not None
    assert sum(found.reference.shares) == pytest.approx(1)
    assert found.said.startswith("vector moved: a row of now is told from one of then in ")
    assert found.said.endswith("% of pairs, p < 0.0001 (600 values beside 500).")
    others = [one.state for one in turned[0].columns if one.name != "input.vector"]
    assert others == ["steady"] * 4
    assert turned[0].state == "drifted"
    assert turned[1].state == "steady"


def test_undrifted_vectors_raise_no_alarm_in_300_checks():
    table = evaluation("vector", embedded(0, 300)).table
    wrong = 0
    for seed in range(300):
        chosen = np.random.default_rng(seed).permutation(300)
        base = Reference(table.take(chosen[:150]), "the rows before")
        wrong += judge(base, table.take(chosen[150:]))[0].state == "drifted"
    assert wrong == 0


def pictures(seed: int, rows: int) -> np.ndarray:
    """Strokes down the left of 6 × 6 pixels."""
    rng = np.random.default_rng(seed)
    made = rng.random((rows, 6, 6)) * 0.5
    made[:, :, :3] += rng.random((rows, 1, 1))
    return made


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda some: some[:, :, ::-1], "centre across up"),
        (lambda some: np.rot90(some, axes=(1, 2)), "centre across up"),
        (lambda some: some * 0.5, "brightness down"),
    ],
    ids=["flipped", "rotated", "darker"],
)
def test_pictures_that_moved_are_found_and_it_is_said_what_of_them_moved(change, told):
    base = evaluation("image", pictures(0, 400))
    calm = judge(base, window("image", pictures(1, 400)))
    assert (line(calm, "input.image").kind, calm[0].state) == ("picture", "steady")
    found = line(judge(base, window("image", change(pictures(1, 400)))), "input.image")
    assert found.state == "drifted"
    assert told in found.said


def test_short_vectors_are_judged_as_wholes_too_by_their_typed_columns():
    rng = np.random.default_rng(0)
    then, now = rng.normal(size=(800, 4)), rng.normal(size=(800, 4))
    base = evaluation("v", then)
    assert line(judge(base, window("v", now)), "input.v").state == "steady"
    now[:, 1] = 0.7 * now[:, 0] + np.sqrt(0.51) * now[:, 1]
    judged = judge(base, window("v", now))
    assert line(judged, "input.v").state == "drifted"
    assert all(line(judged, f"input.v[{n}]").state == "steady" for n in range(4))
    fewer = judge(base, window("v", now[:, :3]))
    assert line(fewer, "input.v[3]", "quality").state == "missing"
    assert all(one.name != "input.v" for one in fewer[0].columns)


def test_what_is_no_data_is_no_whole_either():
    base = evaluation("noise", embedded(0, 300), ignored=("input.noise",))
    judged = judge(base, window("noise", embedded(1, 300)[:, ::-1]))
    assert judged[0].state == "unknown"
    assert "mean, deviation" not in judged[0].said


def test_vectors_of_another_length_are_another_type():
    judged = judge(
        evaluation("v", embedded(0, 300)), window("v", embedded(1, 300)[:, :40].tolist())
    )
    found = line(judged, "input.v", "quality")
    assert found.state == "failed"
    assert found.said == (
        "v cannot be compared: 300 of 300 have another number of elements, and 48 were expected. "
        "Whoever asks changed it."
    )
    few = [one[:40] if n < 9 else one for n, one in enumerate(embedded(1, 300).tolist())]
    assert (
        line(judge(evaluation("v", embedded(0, 300)), window("v", few)), "input.v").n_current == 291
    )


def test_an_importance_is_the_sum_of_what_the_vector_has():
    values = embedded(0, 400)
    answers = (values.mean(axis=1) > np.median(values.mean(axis=1))).astype(int)
    said = {"v": 1, "rows": 400, "inputs": {"v": values}, "outputs": {"label": answers}}
    table, _ = reference.parse(orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY))
    found = line(judge(reference.made(table, "x"), table), "input.v")
    assert found.importance == pytest.approx(1)


def test_of_too_few_vectors_it_is_said_that_they_are_too_few():
    judged = judge(evaluation("v", embedded(0, 300)), window("v", embedded(1, 15)))
    assert line(judged, "input.v").state == "too few"


def test_a_side_without_values_is_said():
    base = evaluation("v", embedded(0, 300))
    plain = base.table.drop_columns(["vector.input.v"])
    judged = judge(Reference(plain, "the first rows"), window("v", embedded(1, 300)))
    assert judged[0].said == (
        "The inputs are as in the first rows. Of v the baseline or the log has no values, so mean, "
        "deviation, least and greatest alone are compared."
    )
    assert "has no values" not in judged[1].said
    empty = base.table.set_column(
        base.table.column_names.index("vector.input.v"), "vector.input.v",
        pa.nulls(300, pa.list_(pa.float32())),
    )  # fmt: skip
    for pair in ((empty, base.table), (base.table, empty)):
        assert wholes.paired(*pair) == ()


@pytest.mark.parametrize(
    "value",
    [["a"] * 40, [[1.0] * 20, [2.0] * 21], [], None, 3.0, [10**400] * 40],
    ids=["texts", "uneven", "empty", "none", "a figure", "too large"],
)
def test_what_is_no_vector_is_left_out(value):
    column = [value, *embedded(0, 3).tolist()]
    found = vectors.of_values({"input": {"v": column}}, [f"input.v.{s}" for s in MEANS], 4)
    assert found["vector.input.v"].null_count == 1


MEANS = ("mean", "std", "min", "max")


def test_columns_that_are_called_as_figures_of_a_vector_have_no_values_beside():
    found = vectors.of_values({"input": {"v.mean": [1.0]}}, [f"input.v.{s}" for s in MEANS], 1)
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "vector.input.v": [None]
    }


def test_a_vector_that_is_no_vector_any_more_is_compared_by_its_columns_alone():
    base = evaluation("v", np.random.default_rng(0).normal(size=(300, 4)))
    judged = judge(base, window("v", [0.5] * 300))
    assert all(one.name != "input.v" or one.state != "drifted" for one in judged[0].columns)
    assert line(judged, "input.v[3]", "quality").state == "missing"


def test_a_picture_in_colour_is_measured_as_it_is_in_grey():
    grey = pictures(3, 1)[0]
    last = np.stack([grey, grey, grey], axis=2)
    for one in (last, last.transpose(2, 0, 1)):
        assert pictured.is_one(one)
        assert pictured.measured(one) == pytest.approx(pictured.measured(grey))
    assert not pictured.is_one(grey[0])
    black = pictured.measured(np.zeros((4, 4)))
    assert black.tolist() == [0, 0, 0, 0.5, 0.5, 1]


def test_a_long_vector_is_sketched_and_still_seen():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=1500)
    then, now = (centre + rng.normal(size=(300, 1500)) for _ in range(2))
    base = evaluation("v", then)
    (kept,) = base.table["vector.input.v"].slice(0, 1).to_pylist()
    assert len(kept) == vectors.ELEMENTS
    assert line(judge(base, window("v", now)), "input.v").state == "steady"
    assert line(judge(base, window("v", now[:, ::-1])), "input.v").state == "drifted"


def test_of_many_rows_some_are_taken_evenly(monkeypatch):
    monkeypatch.setattr(vectors, "ROWS", 100)
    found = vectors.of_values(
        {"input": {"v": embedded(0, 400).tolist()}}, [f"input.v.{s}" for s in MEANS], 400
    )["vector.input.v"]
    assert 400 - found.null_count == 100
    assert found[0].is_valid
    assert found[399].is_valid


# With the log


def predict(
    home: Home, begin: float, rows: int, seed: int, change: Change = lambda v: v, batch: int = 1
) -> None:
    made = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    values = change(embedded(seed, rows))
    for n in range(0, rows, batch):
        at = begin + HOUR_S * n / rows
        some = values[n : n + batch].tolist()
        answers = [one[0] for one in some]
        made.append(
            Record(
                request_id(at), at, "p", "m", 3, "plain", 200, 1.0, rows=len(some),
                inputs={"vector": some}, outputs={"score": answers},
            )
        )  # fmt: skip
    made.close()


@pytest.fixture
def store(home: Home) -> Iterator[VerdictStore]:
    made = VerdictStore(home)
    yield made
    made.close()


def checked(
    home: Home, store: VerdictStore, mlflow: object, baseline: str = "auto", at: float = NOW
):
    monitor = Monitor(home, store, mlflow)  # type: ignore[arg-type]
    asked = Baseline(baseline, NOW - 3 * HOUR_S, NOW - 2 * HOUR_S)  # type: ignore[arg-type]
    found = monitor.check("p", "m", 3, baseline=asked, now=at, report=False)
    return next(one for one in found.verdicts if one.kind == "data")


def test_a_check_reads_the_vectors_of_the_log_beside_the_evaluation_data(home, store):
    server = TrackingServer(document("vector", embedded(0, 400)))
    predict(home, NOW - 2 * HOUR_S, 300, 1)
    assert checked(home, store, server, at=NOW - HOUR_S).state == "steady"
    predict(home, NOW - HOUR_S, 700, 2, lambda values: values[:, ::-1], batch=7)
    found = checked(home, store, server)
    assert found.state == "drifted"
    assert found.named("drifted") == ("input.vector",)


@pytest.mark.parametrize("baseline", ["window", "first", "season"])
def test_the_other_baselines_have_their_vectors_from_the_log(home, store, monkeypatch, baseline):
    monkeypatch.setattr(reference, "FIRST", 300)
    week = 7 * 24 * HOUR_S if baseline == "season" else 2 * HOUR_S
    predict(home, NOW - HOUR_S - week, 300, 1)
    predict(home, NOW - HOUR_S, 300, 2, lambda values: values[:, ::-1])
    found = checked(home, store, None, baseline)
    assert found.named("drifted") == ("input.vector",)
    if baseline == "first":
        kept = reference.first(home, "p", "m", 3)
        assert kept is not None
        assert not vectors.lacks(kept.table), "kept with it: the log forgets"


def test_evaluation_data_that_was_kept_without_vectors_is_fetched_again(home):
    server = TrackingServer(document("vector", embedded(0, 100)))
    asked = home, server, "p", "m", 3
    assert reference.evaluation(*asked) is not None  # type: ignore[arg-type]
    path = folder.reference(home, "p", "m", "version-3")
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["vector.input.vector"]), path)
    server.content = EngineUnreachableError("MLflow did not answer.", "Start it.")
    old = reference.evaluation(*asked)  # type: ignore[arg-type]
    assert old is not None
    assert vectors.lacks(old.table), "what is kept does while MLflow is away"
    server.content = document("vector", embedded(0, 100))
    found = reference.evaluation(*asked)  # type: ignore[arg-type]
    assert found is not None
    assert not vectors.lacks(found.table)
    count = server.asked
    reference.evaluation(*asked)  # type: ignore[arg-type]
    assert server.asked == count


def test_no_more_is_read_than_there_is_room_for(home, monkeypatch):
    predict(home, NOW - HOUR_S, 40, 1)
    table = log.features(home, "p", "m", 3)
    whole = vectors.beside(home, "p", "m", table)
    assert whole["vector.input.vector"].null_count == 0
    assert vectors.beside(home, "p", "m", whole) is whole
    monkeypatch.setattr(raw, "MOST_BYTES", 10_000)
    part = vectors.beside(home, "p", "m", table)["vector.input.vector"]
    assert 20 <= part.null_count < 40


def test_values_are_those_of_their_rows(home):
    predict(home, NOW - HOUR_S, 20, 1, batch=5)
    table = log.features(home, "p", "m", 3)
    read = vectors.beside(home, "p", "m", table)
    means = [np.mean(one) for one in read["vector.input.vector"].to_pylist()]
    assert means == pytest.approx(table["input.vector.mean"].to_pylist(), abs=1e-6)


def test_hashes_and_columns_without_vectors_are_left_as_they_are(home):
    made = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    at = NOW - HOUR_S
    said: dict[str, Any] = {"inputs": {"vector": embedded(0, 1).tolist(), "a": [1.0]}}
    made.append(Record(request_id(at), at, "p", "m", 3, "plain", 200, 1.0, **said), privacy="hash")
    made.close()
    table = log.features(home, "p", "m", 3)
    assert vectors.beside(home, "p", "m", table) is table
    nothing = table.slice(0, 0)
    assert vectors.beside(home, "p", "m", nothing) is nothing


def test_what_cannot_be_read_again_is_a_gap(home):
    builder = Builder()
    for n, text in enumerate(("nonsense", "[]", '{"v": 1}')):
        vector = orjson.dumps({"v": embedded(n, 1).tolist()}).decode()
        builder.add(f"r{n}", int(NOW * 1e6), 3, False, 1, vector, None)
        assert vectors.texts_read({("r", 3): (text, "")}, [("r", 3, 0)], ["input.v"]) == {
            "input.v": [None]
        }
    table = builder.table()
    assert table is not None
    assert vectors.beside(home, "p", "m", table)["vector.input.v"].null_count == 3
