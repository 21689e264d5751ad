"""The journal on Postgres: who comes at the same moment, and a server that goes away."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.access import Access, ensure_admin, store
from services.actions import audit, database, history, schema
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import _SUBJECT_LIMIT, Journal
from services.actions.promote import Promote, Rollback
from services.actions.tag import TagRun
from services.actions.views import list_views, save_view
from services.errors import DeniedError, JournalError, PlatformError
from tests.postgres import Cluster
from tests.services.actions.conftest import OWNER, RUN, FileEngine, build

pytestmark = pytest.mark.engine


@pytest.fixture(params=["postgres"])
def folder(folder: Path) -> Path:
    """The folder of the other tests, on Postgres alone."""
    return folder


@pytest.fixture
def journal(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setattr(store, "_ROUNDS", 4)  # bcrypt's cost is not under test
    journal = Journal(postgres_url)
    yield journal
    journal.close()


@pytest.fixture
def acting(folder: Path) -> tuple[Context, FileEngine]:
    return build(folder)


def test_actions_are_executed_and_audited(acting: tuple[Context, FileEngine]):
    context, engine = acting
    executor = Executor(context)
    executor.submit(OWNER, Promote("p", "m", 2), "1")
    assert executor.submit(OWNER, Promote("p", "m", 2), "1").id == 1
    executor.submit(OWNER, Promote("p", "m", 3), "2")
    assert executor.execute_pending() == 2
    executor.submit(OWNER, Rollback("p", "m"), "3")
    assert executor.execute_pending() == 1
    assert engine.alias("p", "m", "champion") == 2
    spans = history.alias_spans(context.journal, "p", "m", "champion")
    assert [span.version for span in spans] == [2, 3, 2]
    verdict = audit.verify(context.journal)
    assert (verdict.entries, verdict.broken_at) == (6, None)
    assert {record.state for record in executor.history()} == {"done"}


def test_many_at_once_do_each_thing_once(acting: tuple[Context, FileEngine]):
    context, engine = acting

    def all_of_it() -> None:
        executor = Executor(context)
        for number in range(6):
            executor.submit(OWNER, TagRun("p", RUN, f"k{number}", "v"), str(number))
        executor.execute_pending()

    threads = [threading.Thread(target=all_of_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Executor(context).execute_pending()
    assert engine.calls == ["set_run_tag"] * 6
    verdict = audit.verify(context.journal)
    assert (verdict.entries, verdict.broken_at) == (12, None)


def test_people_sign_in_and_are_locked_out(journal: Journal):
    password = ensure_admin(journal)
    assert password is not None
    access = Access(journal, 1)
    cookie = access.redeem(access.sign_in("admin", password, "a").value)
    person = access.who(cookie)
    assert person is not None
    assert person.role == "admin"
    outcomes: list[str] = []

    def guess() -> None:
        try:
            access.sign_in("admin", "wrong", "b")
        except DeniedError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=guess) for _ in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("do not match" in said for said in outcomes) == 10
    access.sign_out(cookie)
    assert access.who(cookie) is None


def test_it_is_made_by_one_of_many(journal: Journal, postgres_url: str):
    with journal.write() as connection:
        schema.metadata.drop_all(connection)
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            Journal(postgres_url).close()
        except PlatformError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    save_view(journal, "ana", "runs", "v", "q", shared=True)
    assert list_views(journal, "bob", "runs") == (("ana", "v", "q", True),)
    journal.want("curve", "r/loss")
    journal.want("curve", "r/loss")
    assert len(journal.wanted()) == 1


# The server goes away


def test_ended_sessions_are_made_anew_without_a_word(
    cluster: Cluster, postgres_name: str, journal: Journal
):
    for number in range(3):
        cluster.terminate_sessions(postgres_name)
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number))
    cluster.terminate_sessions(postgres_name)
    verdict = audit.verify(journal)
    assert (verdict.entries, verdict.broken_at) == (3, None)


def test_a_write_cut_off_leaves_nothing(cluster: Cluster, postgres_name: str, journal: Journal):
    def cut() -> None:
        with journal.write() as connection:
            audit.append(connection, "ana", "x", "y")
            cluster.terminate_sessions(postgres_name)

    with pytest.raises(JournalError, match="journal could not be used"):
        cut()
    assert audit.verify(journal).entries == 0


def test_a_server_that_is_away_is_a_sentence_and_comes_back(
    cluster: Cluster, postgres_url: str, acting: tuple[Context, FileEngine]
):
    context, engine = acting
    executor = Executor(context)
    executor.submit(OWNER, Promote("p", "m", 2), "1")
    cluster.stop()
    try:
        with pytest.raises(JournalError, match="refused") as caught:
            executor.execute_pending()
        assert "tried again by itself" in caught.value.hint
        with pytest.raises(JournalError, match="refused"):
            Journal(postgres_url)
    finally:
        cluster.start()
    assert executor.execute_pending() == 1
    assert engine.alias("p", "m", "champion") == 2
    assert audit.verify(context.journal).entries == 2


def test_an_action_whose_journal_goes_away_half_way_is_finished_once(
    cluster: Cluster, postgres_name: str, acting: tuple[Context, FileEngine]
):
    context, engine = acting
    executor = Executor(context)
    record = executor.submit(OWNER, Promote("p", "m", 2), "1")
    # From the engine's side: the alias is set, and the journal cannot be told.
    engine.point = lambda: cluster.terminate_sessions(postgres_name)
    while executor.record(record.id).state != "done":
        with contextlib.suppress(JournalError):
            executor.execute_pending()
        engine.point = lambda: None
    assert engine.calls == ["set_alias"]
    assert audit.verify(context.journal).entries == 2


def test_who_holds_it_for_too_long_is_not_waited_for(
    cluster: Cluster, postgres_name: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    import psycopg

    monkeypatch.setattr(database, "_BUSY_S", 1.0)
    url = cluster.url(postgres_name)
    with contextlib.closing(psycopg.connect(url)) as other:
        other.execute("LOCK TABLE audit IN EXCLUSIVE MODE")
        with pytest.raises(JournalError, match="lock timeout") as caught, journal.write() as mine:
            audit.append(mine, "ana", "x", "y")
    assert "try again" in caught.value.hint
    with journal.write() as mine:
        audit.append(mine, "ana", "x", "y")


# What Postgres refuses


def test_tables_of_somebody_else_are_refused_and_left_alone(
    cluster: Cluster, postgres_name: str, postgres_url: str
):
    cluster.execute("CREATE TABLE users (login text)", postgres_name)
    cluster.execute("INSERT INTO users VALUES ('precious')", postgres_name)
    with pytest.raises(PlatformError, match=r"holds tables of something else \(users\)") as caught:
        Journal(postgres_url)
    assert "pass" not in caught.value.message
    assert cluster.execute("SELECT * FROM users", postgres_name) == [("precious",)]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert cluster.execute(tables, postgres_name) == [(1,)]


def test_text_of_a_page_may_hold_a_nul(journal: Journal):
    save_view(journal, "ana", "runs", "a\0b", "q\0", shared=True)
    assert list_views(journal, "bob", "runs") == (("ana", "a�b", "q�", True),)
    assert list_views(journal, "\0", "\0") == ()
    journal.want("curve", "r/\0")
    journal.want("curve", "r/\0")
    assert len(journal.wanted()) == 1
    assert audit.entries(journal, project="\0", actor="\0", what="\0") == ()


def test_the_longest_subject_fits_its_index(journal: Journal):
    longest = "".join(chr(0x20000 + (n * 7919) % 40_000) for n in range(_SUBJECT_LIMIT))
    journal.want("curve", longest)
    assert [subject for _, _, subject in journal.wanted()] == [longest]
