import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.actions import audit, history
from services.actions.backup import backup
from services.actions.history import AliasEvent
from services.actions.journal import Journal
from services.actions.views import delete_view, list_views, save_view
from services.errors import InputError, NotFoundError, PlatformError


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_is_durable_and_private(journal: Journal, path: Path):
    with journal.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\x00" * 5000])
def test_garbage_is_named_and_left_alone(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(PlatformError, match="journal") as caught:
        Journal(f"sqlite:///{path}")
    assert "backup" in caught.value.hint
    assert path.read_bytes() == content


def test_a_newer_journal_is_refused(journal: Journal, url: str):
    with journal.write() as connection:
        connection.exec_driver_sql("UPDATE journal_meta SET value = '99'")
    with pytest.raises(PlatformError, match="newer version"):
        Journal(url)


def test_a_failed_write_leaves_nothing(journal: Journal):
    def fail() -> None:
        with journal.write() as connection:
            audit.append(connection, "a", "b", "c")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert audit.entries(journal) == ()


FULL = """
import resource, sys
from services.actions import audit
from services.actions.journal import Journal
from services.errors import PlatformError
journal = Journal(sys.argv[1])
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for number in range(10_000):
        with journal.write() as connection:
            audit.append(connection, "a", "b", "x" * 500)
except PlatformError as error:
    print(number, error.message, "|", error.hint)
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_full_disk_is_a_sentence_and_what_was_said_stays(journal: Journal, path: Path):
    size = path.stat().st_size + 60_000
    done = subprocess.run(
        [sys.executable, "-c", FULL, f"sqlite:///{path}", str(size)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109 - as the tests were started
    )
    written = int(done.stdout.split()[0])
    assert written > 5
    assert "journal could not be used" in done.stdout
    assert "Nothing was changed" in done.stdout
    verdict = audit.verify(journal)
    assert (verdict.entries, verdict.broken_at) == (written, None)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != size


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_backup_is_a_journal(journal: Journal, tmp_path: Path):
    with journal.write() as connection:
        audit.append(connection, "ana", "x", "y")
    backup(journal, tmp_path / "copy.sqlite")
    assert audit.verify(Journal(f"sqlite:///{tmp_path / 'copy.sqlite'}")).entries == 1
    with pytest.raises(InputError, match="exists"):
        backup(journal, tmp_path / "copy.sqlite")


def test_saved_views_are_ones_own_or_shared(journal: Journal):
    save_view(journal, "ana", "experiments", "best", "sort=a", shared=False)
    save_view(journal, "ana", "experiments", "best", "sort=b", shared=False)
    save_view(journal, "bob", "experiments", "team", "x=1", shared=True)
    save_view(journal, "bob", "experiments", "mine", "x=2", shared=False)
    assert list_views(journal, "ana", "experiments") == (
        ("ana", "best", "sort=b", False),
        ("bob", "team", "x=1", True),
    )
    with pytest.raises(NotFoundError):
        delete_view(journal, "ana", "experiments", "team")
    delete_view(journal, "bob", "experiments", "team")
    with pytest.raises(InputError):
        save_view(journal, "ana", "experiments", "  ", "x", shared=False)


def test_what_is_done_with_views_is_in_the_audit(journal: Journal):
    save_view(journal, "ana", "experiments", "best", "sort=a", shared=False)
    save_view(journal, "ana", "experiments", "best", "sort=a", shared=False)  # nothing new
    save_view(journal, "ana", "experiments", "best", "sort=a", shared=True)
    save_view(journal, "ana", "experiments", "best", "sort=b", shared=True)
    save_view(journal, "ana", "experiments", "best", "sort=b", shared=False)
    delete_view(journal, "ana", "experiments", "best")
    with pytest.raises(NotFoundError):
        delete_view(journal, "ana", "experiments", "best")

    told = [(e.actor, e.what, e.subject) for e in reversed(audit.entries(journal))]
    words = ["saved", "shared", "replaced", "unshared", "deleted"]
    assert told == [("ana", f"view.{word}", "best (experiments)") for word in words]
    replaced = audit.entries(journal)[2].detail
    assert replaced == {"before": "sort=a", "view": "sort=b", "shared": True}


def test_wants_are_asked_once_and_forgotten_when_fulfilled(journal: Journal):
    journal.want("curve", "r/loss")
    journal.want("curve", "r/loss")
    journal.want("curve", "r/loss", "r/acc", "r/acc")
    journal.want("artifacts", "r")
    wanted = journal.wanted()
    assert [(kind, subject) for _, kind, subject in wanted] == [
        ("curve", "r/loss"),
        ("curve", "r/acc"),
        ("artifacts", "r"),
    ]
    journal.fulfilled([wanted[0][0]])
    assert len(journal.wanted()) == 2


def test_history_answers_what_was_champion_when(journal: Journal):
    for version in (1, 2, None, 3):
        history.record(journal, AliasEvent("p", "m", "champion", version, "ana", None))
    spans = history.alias_spans(journal, "p", "m", "champion")
    assert [span.version for span in spans] == [3, None, 2, 1]
    found = history.champion_at(journal, "p", "m", "champion", datetime.now(UTC))
    assert found is not None
    assert found.version == 3
    early = datetime.now(UTC) - timedelta(days=1)
    assert history.champion_at(journal, "p", "m", "champion", early) is None


def test_an_actions_own_record_replaces_what_was_seen_of_it(journal: Journal):
    history.record(journal, AliasEvent("p", "m", "champion", 1, history.OBSERVED, None))
    history.record(journal, AliasEvent("p", "m", "champion", 1, "ana", 7, "better"))
    history.record(journal, AliasEvent("p", "m", "champion", 1, history.OBSERVED, None))
    (span,) = history.alias_spans(journal, "p", "m", "champion")
    assert (span.actor, span.action_id, span.reason) == ("ana", 7, "better")


def spans(journal: Journal) -> list[tuple[int | None, str]]:
    found = history.alias_spans(journal, "p", "m", "champion")
    return [(span.version, span.actor) for span in reversed(found)]


def seen(version: int | None) -> AliasEvent:
    return AliasEvent("p", "m", "champion", version, history.OBSERVED, None)


def moved(version: int | None, action: int) -> AliasEvent:
    return AliasEvent("p", "m", "champion", version, "ana", action)


def test_a_late_report_of_our_own_moves_writes_nothing(journal: Journal):
    for event in (seen(1), moved(3, 7), moved(2, 8), seen(3), seen(2)):
        history.record(journal, event)
    outside = history.OBSERVED
    assert spans(journal) == [(1, outside), (3, "ana"), (2, "ana")]
    history.record(journal, seen(3))
    assert spans(journal)[-1] == (3, outside)


def test_a_removed_alias_is_a_gap_and_one_never_there_is_nothing(journal: Journal):
    history.record(journal, seen(None))
    assert spans(journal) == []
    for event in (seen(1), seen(None), seen(None), seen(1)):
        history.record(journal, event)
    assert [version for version, _ in spans(journal)] == [1, None, 1]


def test_a_record_written_twice_after_a_crash_is_one(journal: Journal):
    for event in (moved(3, 7), seen(3), seen(5), moved(3, 7)):
        history.record(journal, event)
    assert [version for version, _ in spans(journal)] == [3, 5]


def test_what_was_read_just_now_is_believed(journal: Journal):
    history.record(journal, moved(1, 7))
    history.record(journal, moved(2, 8))
    history.record(journal, seen(1), fresh=True)
    assert [version for version, _ in spans(journal)] == [1, 2, 1]


def test_wants_and_views_are_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.actions.journal._WANTS_AT_MOST", 3)
    monkeypatch.setattr("services.actions.views._VIEWS_AT_MOST", 2)
    for number in range(6):
        journal.want("curve", str(number))
    assert [subject for _, _, subject in journal.wanted()] == ["2", "3", "4", "5"]
    with pytest.raises(InputError, match="too long"):
        journal.want("curve", "x" * 9_999)
    save_view(journal, "ana", "runs", "a", "1", shared=False)
    save_view(journal, "ana", "runs", "b", "1", shared=False)
    save_view(journal, "ana", "runs", "b", "2", shared=False)
    with pytest.raises(InputError, match="2 views"):
        save_view(journal, "ana", "runs", "c", "1", shared=False)
    with pytest.raises(InputError, match="at most"):
        save_view(journal, "bob", "runs", "c", "x" * 99_999, shared=False)
    assert len(list_views(journal, "ana", "runs")) == 2
