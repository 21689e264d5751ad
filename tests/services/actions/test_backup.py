import os
import sqlite3
import stat
from pathlib import Path

import pytest

from services.access import Access, store
from services.actions import audit, schema
from services.actions.backup import backup, restore
from services.actions.journal import Journal
from services.errors import (
    ConflictError,
    InputError,
    JournalError,
    NotFoundError,
    PlatformError,
)

PASSWORD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "journal.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def journal(url: str, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(store, "_ROUNDS", 4)  # bcrypt's cost is not under test
    journal = Journal(url)
    store.insert(journal, "ana", store.password_hash("ana", PASSWORD), "admin", None)
    with journal.write() as connection:
        audit.append(connection, "ana", "x", "first")
    return journal


@pytest.fixture
def copy(journal: Journal, tmp_path: Path) -> Path:
    backup(journal, tmp_path / "backups" / "copy.sqlite")
    return tmp_path / "backups" / "copy.sqlite"


def test_a_backup_is_private_whole_and_never_overwritten(journal: Journal, copy: Path):
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert audit.verify(Journal(f"sqlite:///{copy}")).entries == 1
    with pytest.raises(InputError, match="exists"):
        backup(journal, copy)
    assert [p.name for p in copy.parent.iterdir()] == ["copy.sqlite"]


def test_a_backup_that_cannot_be_written_leaves_nothing(journal: Journal, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match="could not be written"):
        backup(journal, tmp_path / "file" / "copy.sqlite")


def test_restoring_brings_back_accounts_and_keeps_what_was_there(
    journal: Journal, url: str, path: Path, copy: Path
):
    store.change(journal, "ana", disabled=False, role="admin")
    store.insert(journal, "eve", "x", "admin", None)
    aside = restore(copy, url, "os:root")
    assert [u.name for u in store.everyone(Journal(url))] == ["ana"]
    assert aside is not None
    assert [u.name for u in store.everyone(Journal(f"sqlite:///{aside}"))] == ["ana", "eve"]
    newest = audit.entries(Journal(url))[0]
    assert (newest.actor, newest.what, newest.subject) == (
        "os:root",
        "journal.restored",
        "copy.sqlite",
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_holds_the_journal_open_sees_the_restored_one(journal: Journal, url: str, copy: Path):
    store.insert(journal, "eve", "x", "admin", None)
    restore(copy, url, "os:root")
    assert [u.name for u in store.everyone(journal)] == ["ana"]
    store.insert(journal, "bob", "x", "viewer", None)
    assert [u.name for u in store.everyone(Journal(url))] == ["ana", "bob"]


def test_nobody_stays_signed_in_over_a_restore(journal: Journal, url: str, tmp_path: Path):
    access = Access(journal, 1)
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    backup(journal, tmp_path / "b.sqlite")
    access.sign_out(cookie)
    restore(tmp_path / "b.sqlite", url, "os:root")
    assert Access(Journal(url), 1).who(cookie) is None


def test_a_journal_that_is_garbage_can_be_restored(url: str, path: Path, copy: Path):
    path.write_bytes(b"garbage" * 5000)
    path.with_name("journal.sqlite-journal").write_bytes(b"left of a crash")
    with pytest.raises(PlatformError, match="cannot be used"):
        Journal(url)
    aside = restore(copy, url, "os:root")
    assert aside is not None
    assert aside.read_bytes() == b"garbage" * 5000
    assert not path.with_name("journal.sqlite-journal").exists()
    assert [u.name for u in store.everyone(Journal(url))] == ["ana"]


def test_a_journal_that_is_gone_can_be_restored(url: str, path: Path, copy: Path):
    path.unlink()
    assert restore(copy, url, "os:root") is None
    assert [u.name for u in store.everyone(Journal(url))] == ["ana"]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "tampered", "foreign"])
def test_a_bad_backup_changes_nothing(
    journal: Journal, url: str, path: Path, copy: Path, damage: str
):
    if damage == "garbage":
        copy.write_bytes(b"no database" * 1000)
    elif damage == "truncated":
        copy.write_bytes(copy.read_bytes()[:9000])
    elif damage == "tampered":
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE audit SET actor = 'eve'")
    else:
        copy.unlink()
        with sqlite3.connect(copy) as connection:
            connection.execute("CREATE TABLE other (x)")
    before = path.read_bytes()
    with pytest.raises(PlatformError):
        restore(copy, url, "os:root")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["journal.sqlite"]


def test_a_missing_backup_is_a_sentence(journal: Journal, url: str, tmp_path: Path):
    with pytest.raises(NotFoundError, match="no backup"):
        restore(tmp_path / "none", url, "os:root")


@pytest.mark.full
def test_restoring_under_a_writer_is_refused(journal: Journal, url: str, copy: Path, path: Path):
    with journal.write() as connection:
        audit.append(connection, "a", "b", "c")
        with pytest.raises(ConflictError, match="writing"):
            restore(copy, url, "os:root")
    assert audit.verify(journal).entries == 2


# Files that are no journal


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\x00" + bytes(5000)])
def test_what_is_no_journal_is_named_and_left_alone(url: str, path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(PlatformError) as caught:
        Journal(url)
    assert str(path) in caught.value.message
    assert "mlops restore" in caught.value.hint
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_emptied_journal_lost_its_content(url: str, path: Path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(PlatformError, match="is empty: its content was lost"):
        Journal(url)


def test_another_database_is_no_journal(url: str, path: Path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (id)")
    with pytest.raises(PlatformError, match="is a database, but no journal"):
        Journal(url)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]


def test_a_bit_flipped_in_the_file_is_found(journal: Journal, url: str, path: Path):
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 3 + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(PlatformError, match=r"damaged|cannot be used"):
        Journal(url)


def test_half_a_journal_is_not_begun_anew(journal: Journal, url: str, path: Path):
    """The main file is gone and its rollback file is left: beside a new file it would be played."""
    journal.close()
    path.unlink()
    path.with_name("journal.sqlite-journal").write_bytes(b"x")
    with pytest.raises(PlatformError, match="is gone"):
        Journal(url)
    assert not path.exists()


def test_a_journal_taken_away_in_use_is_not_written_to(journal: Journal, path: Path):
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(JournalError, match="taken away"):
        store.everyone(journal)
    with pytest.raises(JournalError, match="taken away"), journal.write() as connection:
        audit.append(connection, "a", "b", "c")
    assert not path.exists()


def test_a_journal_that_cannot_be_written_is_a_sentence(url: str, path: Path):
    path.parent.mkdir()
    path.parent.chmod(0o500)
    if os.geteuid() == 0:
        path.parent.rmdir()
        path.parent.touch()  # root writes everywhere, but not into a file's inside
    with pytest.raises(PlatformError, match="cannot be opened"):
        Journal(url)


FIRST = {
    "actions": (
        "actor_projects",
        "subject",
        "tries",
        "not_before_ms",
        "lease_ms",
        "ending",
    ),
    "registry_events": ("seen",),
}


def test_the_first_version_is_migrated_with_all_it_holds(journal: Journal, url: str, path: Path):
    journal.close()
    with sqlite3.connect(path) as connection:
        for table, columns in FIRST.items():
            for column in columns:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.execute("UPDATE journal_meta SET value = '1' WHERE key = 'version'")
        row = "(1, 5, 'p', 'm', 'c', 1, 'a', 1, '')"
        connection.execute(f"INSERT INTO registry_events VALUES {row}")
    again = Journal(url)
    with again.read() as connection:
        assert connection.execute(schema.registry_events.select()).one().seen is True
        assert connection.execute(schema.actions.select()).all() == []
    assert [u.name for u in store.everyone(again)] == ["ana"]
    assert audit.verify(Journal(url)).entries == 1
