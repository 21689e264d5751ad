"""The journal on Postgres: the same behaviour by URL.

Runs when ``MLOPS_TEST_POSTGRES`` names an empty database, e.g.
``postgresql+psycopg://postgres@127.0.0.1:5432/journal``, and its driver is installed.
"""

import os
import threading
from pathlib import Path

import pytest

from services.access import Access, ensure_admin, store
from services.actions import audit, history, schema
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.actions.promote import Promote, Rollback
from services.actions.tag import TagRun
from services.actions.views import list_views, save_view
from services.errors import DeniedError, PlatformError
from tests.services.actions.conftest import OWNER, RUN, FileEngine, build

URL = os.environ.get("MLOPS_TEST_POSTGRES", "")

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not URL, reason="MLOPS_TEST_POSTGRES names no Postgres database"),
]


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "_ROUNDS", 4)
    journal = Journal(URL)
    yield journal
    with journal.write() as connection:
        schema.metadata.drop_all(connection)
    journal.close()


@pytest.fixture
def acting(folder: Path, journal: Journal) -> tuple[Context, FileEngine]:
    context, engine = build(folder)
    return Context(journal, context.mirror, engine, engine), engine


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


def test_it_is_made_by_one_of_many(journal: Journal):
    with journal.write() as connection:
        schema.metadata.drop_all(connection)
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            Journal(URL).close()
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
