"""Thousands of metric names in a mirror: the fields are read with a few queries."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from services.engines.mlflow.models import Metric, TrackedRun
from services.mirror import columns
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.services.mirror.conftest import tracked

MANY = 5_000


@contextmanager
def asked(engine: Engine) -> Iterator[list[str]]:
    """Count the statements of a block."""
    statements: list[str] = []

    def note(*words: object) -> None:
        statements.append(str(words[2]))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.full
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_fields_of_five_thousand_metrics_take_a_few_queries(store: Store, mirror: Mirror):
    many = {f"layer_{i:04}/norm": Metric(float(i), 1, 0) for i in range(MANY)}
    store.write_runs("p", [tracked(1, metrics=many), tracked(2, metrics=many)])
    with asked(mirror.engine) as cold:
        found = mirror.fields("p")
    assert sum(field.runs == 2 for field in found if field.name.startswith("metrics.")) == MANY
    store.write_runs("p", [tracked(2, metrics={"layer_0000/norm": Metric(1.0, 1, 0)})])
    with asked(mirror.engine) as later:
        found = mirror.fields("p")
    counts = {field.name: field.runs for field in found}
    assert counts["metrics.layer_0000/norm"] == 2
    assert counts["metrics.layer_4999/norm"] == 1
    assert max(len(cold), len(later)) < 60
    assert all("rid IN" in query for query in later if "FROM metrics" in query)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("rows_at_once", [1, 40, 100_000])
def test_columns_read_together_are_those_read_one_by_one(
    store: Store, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, url: str, rows_at_once: int
):
    monkeypatch.setattr(columns, "_ROWS_AT_ONCE", rows_at_once)
    chance = random.Random(rows_at_once)  # noqa: S311 - the same every time
    for turn in range(12):
        batch = [some_run(chance, number) for number in chance.sample(range(1, 9), 3)]
        store.write_runs("p", batch)
        name = chance.choice("abcdef")
        mirror.runs(RunQuery(sort=f"metrics.{name}", filter=f"params.{name} exists"))
        fresh = Mirror(url)
        if turn % 2:
            assert mirror.fields() == fresh.fields()
        for name in "abcdef":
            query = RunQuery(sort=f"metrics.{name}", columns=(f"metrics.{name}", f"params.{name}"))
            assert mirror.runs(query).rows == fresh.runs(query).rows
        fresh.engine.dispose()


def some_run(chance: random.Random, number: int) -> TrackedRun:
    metrics = {name: Metric(chance.random(), 1, 0) for name in "abcdef" if chance.random() < 0.6}
    params = {name: chance.choice("xyz") for name in "abcdef" if chance.random() < 0.6}
    return tracked(number, metrics=metrics, params=params)


def test_fields_hold_the_lock_for_a_few_columns_of_a_large_mirror(
    store: Store, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(columns, "_ROWS_AT_ONCE", 6)
    several = {name: Metric(1.0, 1, 0) for name in "abcde"}
    store.write_runs("p", [tracked(n, metrics=several) for n in (1, 2, 3)])
    read: list[int] = []
    load = columns.Columns.load

    def counted(self: columns.Columns, connection: object, group: str, some: list[str]) -> None:
        read.append(len(some))
        load(self, connection, group, some)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(columns.Columns, "load", counted)
    names = [field.name for field in mirror.fields()]
    assert [name for name in names if name.startswith("metrics.")] == [
        f"metrics.{name}" for name in "abcde"
    ]
    assert max(read) == 2
