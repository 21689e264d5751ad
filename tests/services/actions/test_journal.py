import math
import os
import resource
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions import audit, history
from services.actions.backup import backup
from services.actions.gates import evaluate, parse
from services.actions.history import AliasEvent
from services.actions.journal import Journal, delete_view, list_views, save_view
from services.errors import InputError, NotFoundError, PlatformError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(f"sqlite:///{path}")


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


def test_a_newer_journal_is_refused(journal: Journal, path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE journal_meta SET value = '99'")
    with pytest.raises(PlatformError, match="newer version"):
        Journal(f"sqlite:///{path}")


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


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE number = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 1", 1),
    ],
)
def test_tampering_is_found(journal: Journal, path: Path, change: str, broken: int):
    for number in range(4):
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number), detail={"n": number})
    assert audit.verify(journal).entries == 4
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    assert audit.verify(journal).broken_at == broken


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


def test_wants_are_asked_once_and_forgotten_when_fulfilled(journal: Journal):
    journal.want("curve", "r/loss")
    journal.want("curve", "r/loss")
    journal.want("artifacts", "r")
    wanted = journal.wanted()
    assert [(kind, subject) for _, kind, subject in wanted] == [
        ("curve", "r/loss"),
        ("artifacts", "r"),
    ]
    journal.fulfilled([wanted[0][0]])
    assert len(journal.wanted()) == 1


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


@pytest.mark.parametrize("bad", ["", "0.9", "=> 1", "> x", ">= 1 and <= 2", "> nan"])
def test_a_malformed_gate_is_refused(bad: str):
    with pytest.raises(InputError, match="gate"):
        parse("acc", bad)


@given(value=st.floats(allow_nan=True), bound=st.floats(-100, 100).map(lambda x: round(x, 3)))
def test_gates_compare_as_python_does_and_nan_never_passes(value: float, bound: float):
    (result,) = evaluate({"m": f">= {bound}"}, {"m": value})
    assert result.passed == (math.isfinite(value) and value >= bound)


def test_a_missing_metric_never_passes():
    (result,) = evaluate({"m": "< 1"}, {})
    assert not result.passed
    assert result.sentence == "m was not logged; the gate wants < 1."
