"""The mirror on Postgres: a server that goes away and comes back, and what Postgres refuses."""

import itertools
import math
import threading

import pytest

from services.engines.mlflow.models import Metric, Model, Point, Version
from services.errors import InputError, NotFoundError, PlatformError
from services.mirror import schema
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.postgres import with_driver
from tests.postgres import PASSWORD, Cluster
from tests.services.mirror.conftest import tracked

pytestmark = pytest.mark.engine


@pytest.fixture(params=["postgres"])
def url(url: str) -> str:
    """The place of the other tests, on Postgres alone."""
    return url


def total(mirror: Mirror) -> int:
    return mirror.runs(RunQuery(columns=("metrics.loss", "params.note"))).total


# The server goes away


def test_ended_sessions_are_made_anew_without_a_word(
    cluster: Cluster, postgres_name: str, store: Store, mirror: Mirror
):
    store.write_runs("p", [tracked(1)])
    assert total(mirror) == 1
    assert cluster.terminate_sessions(postgres_name) >= 2
    store.write_runs("p", [tracked(2)])
    cluster.terminate_sessions(postgres_name)
    assert total(mirror) == 2


def test_a_session_ended_within_a_question_is_a_sentence(
    cluster: Cluster, postgres_name: str, store: Store, mirror: Mirror
):
    store.write_runs("p", [tracked(1)])

    def ask() -> None:
        with mirror.connect() as connection:
            columns = mirror._fresh(connection)
            columns._key_id(connection, "metrics", "loss")  # known: what follows is the column
            cluster.terminate_sessions(postgres_name)
            columns.values(connection, "metrics", "loss")

    with pytest.raises(PlatformError, match="mirror cannot be read"):
        ask()
    assert total(mirror) == 1


def test_a_write_cut_off_leaves_nothing_and_the_next_one_all(
    cluster: Cluster, postgres_name: str, store: Store, mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def cut(*_arguments: object) -> None:
        cluster.terminate_sessions(postgres_name)
        monkeypatch.undo()

    run = tracked(1, metrics={"first": Metric(1.0, 1, 0), "second": Metric(2.0, 1, 0)})
    monkeypatch.setattr("services.mirror.store.metric_row", cut)
    with pytest.raises(PlatformError, match="mirror's database cannot be used"):
        store.write_runs("p", [run])
    assert total(mirror) == 0
    store.write_runs("p", [run])
    # The names were new in the write that was taken back: their keys must not be trusted.
    assert mirror.run(run.run_id).run.metrics == {"first": 1.0, "second": 2.0}


def test_a_server_that_is_away_is_a_sentence_and_comes_back(
    cluster: Cluster, store: Store, mirror: Mirror
):
    store.write_runs("p", [tracked(1)])
    assert total(mirror) == 1
    cluster.stop()
    try:
        for ask in (mirror.change, mirror.projects, mirror.changes, lambda: total(mirror)):
            with pytest.raises(PlatformError, match=r"mirror cannot be read.*refused") as caught:
                ask()
            assert "tried again by itself" in caught.value.hint
        with pytest.raises(PlatformError, match="refused"):
            store.write_runs("p", [tracked(2)])
        with pytest.raises(PlatformError, match="refused"):
            store.write_engine("mlflow", "MLflow", "live")
    finally:
        cluster.start()
    store.write_runs("p", [tracked(2)])
    assert total(mirror) == 2


def test_beginning_without_the_server_drops_nothing(
    url: str, cluster: Cluster, store: Store, mirror: Mirror
):
    store.write_runs("p", [tracked(1)])
    cluster.stop()
    try:
        with pytest.raises(PlatformError, match="refused"):
            schema.prepare(url)
    finally:
        cluster.start()
    engine, sentence = schema.prepare(url)
    engine.dispose()
    assert not sentence
    assert total(mirror) == 1


# Who may not in


def test_a_wrong_password_is_a_sentence_without_a_password(cluster: Cluster, postgres_name: str):
    url = with_driver(cluster.url(postgres_name).replace("mlops:pass", "mlops:wrong"))
    with pytest.raises(PlatformError, match="password authentication failed") as caught:
        schema.prepare(url)
    assert "user and password" in caught.value.hint
    assert "wrong" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_missing_database_is_a_sentence(cluster: Cluster):
    with pytest.raises(PlatformError, match='"nowhere" does not exist') as caught:
        schema.prepare(with_driver(cluster.url("nowhere")))
    assert "createdb" in caught.value.hint


def test_a_user_who_may_not_create_is_told_so(cluster: Cluster, postgres_name: str):
    cluster.execute(f"CREATE ROLE guest_{postgres_name} LOGIN PASSWORD 'guest'")
    try:
        url = f"postgresql+psycopg://guest_{postgres_name}:guest@127.0.0.1:{cluster.port}"
        with pytest.raises(PlatformError, match="permission denied") as caught:
            schema.prepare(f"{url}/{postgres_name}")
        assert "own the database" in caught.value.hint
    finally:
        cluster.terminate_sessions(postgres_name)
        cluster.execute(f"DROP ROLE guest_{postgres_name}")


# Whose tables they are


def test_tables_of_somebody_else_are_refused_and_left_alone(
    url: str, cluster: Cluster, postgres_name: str
):
    cluster.execute("CREATE TABLE runs (run_uuid text)", postgres_name)
    cluster.execute("INSERT INTO runs VALUES ('precious')", postgres_name)
    with pytest.raises(PlatformError, match=r"tables of something else \(runs\)") as caught:
        schema.prepare(url)
    assert "pass" not in caught.value.message
    assert cluster.execute("SELECT * FROM runs", postgres_name) == [("precious",)]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert cluster.execute(tables, postgres_name) == [(1,)]


def test_another_version_is_rebuilt_and_readers_notice(
    url: str, cluster: Cluster, postgres_name: str, store: Store, mirror: Mirror
):
    store.write_runs("p", [tracked(1), tracked(2), tracked(3)])
    assert total(mirror) == 3
    before = mirror.change()
    cluster.execute("UPDATE meta SET value = '0' WHERE key = 'version'", postgres_name)
    engine, sentence = schema.prepare(url)
    assert "another version of this platform (0)" in sentence
    assert "pass" not in sentence
    Store(engine).write_runs("p", [tracked(9)])
    engine.dispose()
    assert [row.run_id for row in mirror.runs(RunQuery()).rows] == [f"{9:032x}"]
    assert mirror.change() > before


def test_many_begin_at_once_and_one_makes_it(url: str):
    found: list[object] = []

    def begin() -> None:
        engine, sentence = schema.prepare(url)
        engine.dispose()
        found.append(sentence)

    threads = [threading.Thread(target=begin) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [""] * 5


# What Postgres cannot hold


def test_a_nul_and_half_a_character_are_kept_as_far_as_they_can_be(store: Store, mirror: Mirror):
    run = tracked(1, name="a\0b", params={"note": "x\0y"}, tags={"t": "half \ud800"})
    store.write_runs("p", [run])
    document: dict[str, object] = {"title": "a\0b", "reasons": ["\0"]}
    store.write_project("p", "broken", document)
    found = mirror.run(run.run_id).run
    assert (found.name, found.params["note"], found.tags["t"]) == ("a�b", "x�y", "half ?")
    assert mirror.project("p").title == "a\0b"  # within a document it is escaped, and whole
    assert mirror.runs(RunQuery(filter="params.note = 'x�y'")).total == 1


def test_a_nul_in_a_question_finds_nothing_and_breaks_nothing(mirror: Mirror):
    with pytest.raises(NotFoundError):
        mirror.run("\0")
    with pytest.raises(NotFoundError):
        mirror.model("p\0", "\0")
    assert mirror.changes("\0") == ()
    assert mirror.artifacts("\0") is None
    assert mirror.curves(["\0"], ["\0"]) == ()
    assert mirror.runs(RunQuery(project="\0", filter="params.x = '\0'")).total == 0
    with pytest.raises(InputError):
        mirror.runs(RunQuery(sort="\0"))


def test_what_is_longer_than_an_index_takes_is_kept(store: Store, mirror: Mirror):
    # Text that does not compress: an index entry has 2,704 bytes, whatever it holds.
    long = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(9_000))
    run = tracked(1, name=long, params={"prompt": long}, tags={"mlops.technique": long})
    store.write_runs("p", [run])
    version = Version("m", 1, run.run_id, 0, "READY", long, long, {"t": long})
    store.write_registry("p", [Model("m", long, 0, 0, {}, {})], [version])
    found = mirror.run(run.run_id).run
    assert (found.name, found.technique, found.params["prompt"]) == (long, long, long)
    assert mirror.model("p", "m").description == long
    assert mirror.runs(RunQuery(filter=f"technique = {long!r}")).total == 1


def test_numbers_at_the_edge_are_what_was_logged(store: Store, mirror: Mirror):
    numbers = {"a": math.inf, "b": -math.inf, "c": 5e-324, "d": 1.7976931348623157e308, "e": -0.0}
    metrics = {name: Metric(value, 2**62, 253_402_300_000_000) for name, value in numbers.items()}
    run = tracked(1, metrics=metrics)
    store.write_runs("p", [run])
    found = mirror.run(run.run_id)
    assert found.run.metrics == numbers
    assert math.copysign(1, found.run.metrics["e"]) == -1
    assert found.points["a"].step == 2**62
    points = [Point(value, step, 0) for step, value in enumerate(numbers.values())]
    store.extend_curve(run.run_id, "a", [*points, Point(math.nan, 9, 1)])
    (curve,) = mirror.curves([run.run_id], ["a"])
    assert curve.values[:-1] == tuple(numbers.values())
    assert math.isnan(curve.values[-1])


# Two at once


def test_a_reader_beside_the_writer_sees_whole_batches(store: Store, mirror: Mirror):
    batches = 12
    over = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        while not over.is_set():
            page = mirror.runs(RunQuery(filter="metrics.loss exists", limit=1000))
            seen.append((page.change, page.total))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for batch in range(batches):
            store.write_runs("p", [tracked(batch * 20 + n) for n in range(1, 21)])
    finally:
        over.set()
        reader.join()
    assert total(mirror) == batches * 20
    assert all(count % 20 == 0 for _, count in seen)
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(seen))


def test_every_change_has_a_number_of_its_own(url: str, store: Store, mirror: Mirror):
    before = mirror.change()
    others = [Store(schema.open_engine(url)) for _ in range(3)]

    def change(other: Store, number: int) -> None:
        for turn in range(10):
            other.write_project(f"p{number}", "connected", {"turn": turn})

    threads = [
        threading.Thread(target=change, args=(other, number)) for number, other in enumerate(others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.engine.dispose()
    assert mirror.change() == before + 30
