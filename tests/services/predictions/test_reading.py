import threading
from typing import Any

import pytest

from services.errors import PlatformError
from services.home import Home
from services.predictions import monitoring, querying, reading
from services.predictions.answers import Bucket, VersionUse
from services.predictions.folder import Folder
from tests.services.predictions.records import DAY_S, NOON, compacted, record, written
from tests.services.predictions.test_compaction import M, P


def test_nothing_is_nothing(home: Home):
    assert reading.count(home) == 0
    assert reading.recent(home) == ()
    assert reading.series(home, P, M, NOON, NOON + 60, 1) == ()
    assert reading.by_version(home, P, M) == ()
    assert reading.one(home, "x") is None
    assert len(monitoring.features(home, P, M)) == 0
    assert len(monitoring.labelled(home, P, M)) == 0
    assert monitoring.unknown(home).count == 0


def test_series_count_by_stretch_from_the_first_on(home: Home):
    written(
        home,
        record(NOON - 0.001),
        *(record(NOON + n / 10, latency_ms=float(n + 1)) for n in range(10)),
        record(NOON + 7, status=503, latency_ms=9000.0),
        record(NOON + 7, status=400, latency_ms=1.0),
        record(NOON + 10),
    )
    for _ in range(2):
        assert reading.series(home, P, M, NOON, NOON + 10, 5.0) == (
            Bucket(NOON, 10, 20, 0, 5.5, pytest.approx(9.55), pytest.approx(9.91)),
            Bucket(NOON + 5, 2, 4, 1, 1.0, 1.0, 1.0),
        )
        compacted(home)


def test_a_stretch_of_errors_alone_has_no_latency(home: Home):
    written(home, record(status=500))
    assert reading.series(home, P, M, NOON, NOON + 1, 1) == (
        Bucket(NOON, 1, 2, 1, None, None, None),
    )


def test_versions_are_told_apart(home: Home):
    written(
        home,
        record(NOON, version=3),
        record(NOON + DAY_S, version=4, backend="cpu", energy_j=None, model_ms=None),
        record(NOON + 2 * DAY_S, version=4, backend="mlx", energy_j=0.5, rows=1),
        record(NOON, version=4, model="other"),
        record(NOON, version=5, shadow=True),
    )
    for _ in range(2):
        assert reading.by_version(home, P, M) == (
            VersionUse(3, 1, 2, 0, 2.5, 2.5, 2.5, 1.5, 0.25, 0.125, 2, NOON, NOON, ("mlx",)),
            VersionUse(
                4, 2, 3, 0, 2.5, 2.5, 2.5, 1.5, 0.25, 0.5, 1, NOON + DAY_S, NOON + 2 * DAY_S,
                ("cpu", "mlx"),
            ),
        )  # fmt: skip
        assert [use.version for use in reading.by_version(home, P, M, NOON + DAY_S * 1.5)] == [4]
        assert [use.version for use in reading.by_version(home, P, M, shadow=True)] == [5]
        compacted(home)


def test_recent_pages_over_days_and_filters(home: Home):
    records = [record(NOON + day * DAY_S / 2, status=500 if day == 3 else 200) for day in range(8)]
    written(home, *records[:5])
    compacted(home)
    written(home, *records[5:])
    newest = [one.id for one in reversed(records)]
    assert [one.id for one in reading.recent(home, limit=3)] == newest[:3]
    page = reading.recent(home, limit=3, until=records[5].at)
    assert [one.id for one in page] == newest[3:6]
    assert [one.id for one in reading.recent(home, errors=True)] == [records[3].id]
    assert len(reading.recent(home, errors=False)) == 7
    assert len(reading.recent(home, since=records[4].at)) == 4
    assert reading.recent(home, project="other") == ()
    assert reading.recent(home, version=9) == ()
    found = reading.one(home, records[2].id)
    assert found is not None
    assert found.at == records[2].at
    assert reading.one(home, records[2].id, project="other") is None
    strange = record(id="given by somebody")
    written(home, strange)
    compacted(home)
    assert reading.one(home, strange.id)


def test_features_of_a_version_by_name_and_by_chance(home: Home):
    written(home, *(record(NOON + number, version=3 + number % 2) for number in range(40)))
    compacted(home)
    written(home, *(record(NOON + 100 + number, version=3) for number in range(10)))
    names = ["input.age", "output.confidence", "input.never"]
    found = monitoring.features(home, P, M, 3, names=names)
    assert found.column_names == [
        "id", "answered_at", "version", "shadow", "row", "input.age", "output.confidence",
    ]  # fmt: skip
    assert len(found) == 60
    assert len(monitoring.features(home, P, M, 3, NOON + 100, NOON + 105)) == 10
    window = monitoring.features(home, P, M, 3, NOON + 100, NOON + 105, sample=10)
    assert len(window) == 10  # a sample of what is asked for, not of all
    some = monitoring.features(home, P, M, sample=15)
    assert len(some) == 15
    assert len(set(some["id"].to_pylist())) > 5
    quoted = monitoring.features(home, P, M, names=['a"; DROP TABLE tail; --'])
    assert len(quoted.column_names) == 5


def test_readers_see_everything_while_it_is_put_into_parquet(home: Home):
    for number in range(30):
        written(home, record(NOON + number), record(NOON + number))
    seen, ended = set(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.add(reading.count(home))
            seen.add(sum(one.requests for one in reading.series(home, P, M, NOON, NOON + 99, 9)))
            seen.add(len(monitoring.features(home, P, M)) // 2)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        compacted(home)
        compacted(home, NOON + 2 * DAY_S)
    finally:
        ended.set()
        thread.join()
    assert seen == {60}


def test_a_damaged_file_is_a_sentence(home: Home):
    written(home, record())
    compacted(home)
    (partition,) = Folder(home).rows()
    partition.files()[0].write_bytes(b"nonsense that is no Parquet file at all")
    with pytest.raises(PlatformError, match="cannot be read"):
        reading.count(home)


def test_a_look_that_fails_is_tried_again(home: Home, monkeypatch):
    written(home, record())
    compacted(home)
    real, failures = querying.query, [FileNotFoundError("gone")]

    def query(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments, **named)

    monkeypatch.setattr(querying, "query", query)
    assert reading.count(home) == 1


def test_a_look_far_back_does_not_read_each_day_again_and_again(home: Home, monkeypatch):
    written(home, *(record(NOON - day * DAY_S) for day in range(20)))
    compacted(home)
    asked: list[int] = []
    real = querying.query

    def query(sql: str, paths: list[str], *more: Any, **named: Any) -> Any:
        asked.append(len(paths))
        return real(sql, paths, *more, **named)

    monkeypatch.setattr(querying, "query", query)
    assert reading.recent(home, errors=True) == ()
    assert sum(asked) < 3 * 20
    assert max(asked) == 20
    assert len(reading.recent(home, limit=15)) == 15


def test_a_prediction_is_of_the_project_that_is_asked_for(home: Home):
    one = record()
    written(home, one)
    for _ in range(2):  # from a segment, and from Parquet
        assert reading.one(home, one.id, "other") is None
        assert reading.one(home, one.id, P) == reading.one(home, one.id) is not None
        compacted(home)
