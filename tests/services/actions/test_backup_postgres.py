"""A backup is one file, and goes into either database."""

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Select, Table, event, select

from services.access import Access, store
from services.actions import audit, database, history, portable, schema
from services.actions.backup import backup, restore
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.actions.promote import Promote
from services.actions.tag import TagRun
from services.actions.views import list_views, save_view
from services.errors import ConflictError, InputError, PlatformError
from tests.postgres import Cluster
from tests.services.actions.conftest import OWNER, RUN, build

pytestmark = pytest.mark.engine
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "_ROUNDS", 4)  # bcrypt's cost is not under test
    return tmp_path / "home"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    """A journal that was lived in, on either database."""
    context, _ = build(folder)
    journal = context.journal
    store.insert(journal, "ana", store.password_hash("ana", PASSWORD), "admin", None)
    executor = Executor(context)
    executor.submit(OWNER, Promote("p", "m", 2), "1")
    executor.execute_pending()
    executor.submit(OWNER, TagRun("p", RUN, "k", "ä\n'\"%"), "2")
    save_view(journal, "ana", "runs", "best", "sort=a", shared=True)
    journal.want("curve", "r/loss")
    return journal


@pytest.fixture
def copy(journal: Journal, tmp_path: Path) -> Path:
    backup(journal, tmp_path / "copy.sqlite")
    return tmp_path / "copy.sqlite"


@pytest.fixture
def another(cluster: Cluster) -> Iterator[str]:
    """An empty database."""
    with cluster.database() as name:
        yield cluster.url(name)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Journal]:
    with contextlib.closing(Journal(url)) as journal:
        yield journal


def content(journal: Journal) -> dict[str, list[dict[str, object]]]:
    """Return every row of every table but sessions, and the audit's note of the restore."""
    found = {}
    with journal.read() as connection:
        for table in schema.metadata.sorted_tables:
            rows = connection.execute(select(table)).mappings()
            found[table.name] = sorted((dict(row) for row in rows), key=repr)
    found["audit"] = [row for row in found["audit"] if row["what"] != "journal.restored"]
    del found["sessions"], found["journal_meta"]
    return found


def test_a_backup_holds_every_row(journal: Journal, copy: Path):
    with opened(f"sqlite:///{copy}") as kept:
        assert content(kept) == content(journal)
        assert audit.verify(kept) == audit.verify(journal)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="exists"):
        backup(journal, copy)


def test_it_can_be_restored_into_an_empty_postgres(journal: Journal, copy: Path, another: str):
    assert restore(copy, another, "os:root") is None
    with opened(another) as restored:
        assert content(restored) == content(journal)
        verdict = audit.verify(restored)
        assert (verdict.entries, verdict.broken_at) == (audit.verify(journal).entries + 1, None)
        assert audit.entries(restored)[0].what == "journal.restored"
        assert list_views(restored, "bob", "runs") == (("ana", "best", "sort=a", True),)
        access = Access(restored, 1)
        assert access.who(access.redeem(access.sign_in("ana", PASSWORD, "x").value)) is not None


def test_numbers_go_on_after_those_restored(journal: Journal, copy: Path, another: str):
    restore(copy, another, "os:root")
    with opened(another) as restored:
        restored.want("curve", "r/another")
        event = history.AliasEvent("p", "m", "champion", 3, "ana", None)
        history.record(restored, event)
        assert len(restored.wanted()) == 2
        assert [s.version for s in history.alias_spans(restored, "p", "m", "champion")] == [3, 2]


def test_what_was_there_is_kept_as_a_backup(journal: Journal, copy: Path, another: str, home: Path):
    with opened(another) as present:
        store.insert(present, "eve", "x", "viewer", None)
    aside = restore(copy, another, "os:root")
    assert aside is not None
    assert aside.parent == home / "db"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    with opened(f"sqlite:///{aside}") as before, opened(another) as now:
        assert [user.name for user in store.everyone(before)] == ["eve"]
        assert [user.name for user in store.everyone(now)] == ["ana"]


def test_nobody_stays_signed_in_over_a_restore(journal: Journal, copy: Path, another: str):
    with opened(another) as present:
        store.insert(present, "ana", store.password_hash("ana", PASSWORD), "admin", None)
        access = Access(present, 1)
        cookie = access.redeem(access.sign_in("ana", PASSWORD, "x").value)
        restore(copy, another, "os:root")
        assert access.who(cookie) is None


def test_a_journal_in_use_is_not_replaced(
    journal: Journal, copy: Path, another: str, cluster: Cluster
):
    with opened(another) as present:
        store.insert(present, "eve", "x", "viewer", None)
        with present.write() as busy:
            audit.append(busy, "eve", "x", "y")
            with pytest.raises(ConflictError, match="using the journal"):
                restore(copy, another, "os:root")
        assert [user.name for user in store.everyone(present)] == ["eve"]


@pytest.mark.parametrize("damage", ["garbage", "tampered"])
def test_a_bad_backup_changes_nothing(journal: Journal, copy: Path, another: str, damage: str):
    if damage == "garbage":
        copy.write_bytes(b"no database" * 1000)
    else:
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE audit SET actor = 'eve'")
    with opened(another) as present:
        store.insert(present, "eve", "x", "viewer", None)
        with pytest.raises(PlatformError):
            restore(copy, another, "os:root")
        assert [user.name for user in store.everyone(present)] == ["eve"]


@pytest.mark.parametrize("folder", ["postgres"], indirect=True)
def test_a_backup_beside_writers_is_of_one_moment(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def written_meanwhile(table: Table) -> Select[Any]:
        # After the first table was read, a deed lands that touches several.
        if table.name == "audit":
            with journal.write() as connection:
                audit.append(connection, "eve", "late", "y")
                connection.execute(schema.wants.insert().values(kind="late", subject="s", at_ms=1))
        return select(table)

    before = audit.verify(journal).entries
    monkeypatch.setattr(portable, "select", written_meanwhile)
    backup(journal, tmp_path / "copy.sqlite")
    monkeypatch.undo()
    with opened(f"sqlite:///{tmp_path / 'copy.sqlite'}") as kept:
        verdict = audit.verify(kept)
        assert (verdict.entries, verdict.broken_at) == (before, None)
        assert [kind for _, kind, _ in kept.wanted()] == ["curve"]
    assert audit.verify(journal).entries == before + 1


@pytest.mark.parametrize("folder", ["postgres"], indirect=True)
def test_a_disk_that_is_full_is_a_sentence_and_leaves_nothing(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def small(url: str) -> Engine:
        engine = database_connect(url)
        if url.startswith("sqlite"):
            event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 3"))
        return engine

    database_connect = database.connect
    monkeypatch.setattr(database, "connect", small)
    with pytest.raises(PlatformError, match=r"could not be written.*full"):
        backup(journal, tmp_path / "backups" / "copy.sqlite")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_sentence(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="could not be written"):
        backup(journal, tmp_path / "file" / "copy.sqlite")
