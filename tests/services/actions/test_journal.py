import math
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from services.actions import audit, history, schema
from services.actions.backup import backup
from services.actions.gates import evaluate, parse
from services.actions.history import AliasEvent
from services.actions.journal import Journal
from services.actions.verification import Verification
from services.actions.views import delete_view, list_views, save_view
from services.errors import InputError, NotFoundError, PlatformError
from tests.conftest import BOTH


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "journal.sqlite"


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{path}"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()


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


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE number = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 4", 4),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 1", 1),
    ],
)
def test_tampering_is_found(journal: Journal, change: str, broken: int):
    for number in range(4):
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number), detail={"n": number})
    assert audit.verify(journal).entries == 4
    with journal.write() as connection:
        connection.exec_driver_sql(change)
    assert audit.verify(journal).broken_at == broken


def grown(journal: Journal, count: int) -> None:
    for number in range(count):
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number))


def test_what_was_walked_is_not_walked_again(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    grown(journal, 5)
    verification = Verification(journal)
    assert verification.look().verdict.entries == 5
    sealed: list[object] = []
    seal = audit.seal

    def counted(row: dict[str, object]) -> str:
        sealed.append(row["number"])
        return seal(row)

    grown(journal, 2)
    monkeypatch.setattr(audit, "seal", counted)
    verdict = verification.look().verdict
    assert (verdict.entries, verdict.broken_at) == (7, None)
    assert verdict.head == audit.entries(journal)[0].hash
    assert sealed == [5, 6, 7]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE number = 4", 4),  # the newest that was walked
        ("UPDATE audit SET actor = 'eve' WHERE number = 5", 5),
        ("DELETE FROM audit WHERE number >= 4", 4),
        ("DELETE FROM audit WHERE number = 5", 5),
        ("DELETE FROM audit", 1),
    ],
)
def test_tampering_with_what_is_new_is_found_at_the_next_look(
    journal: Journal, path: Path, change: str, broken: int
):
    grown(journal, 4)
    verification = Verification(journal)
    assert verification.look().verdict.entries == 4
    grown(journal, 2)
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    assert verification.look().verdict.broken_at == broken
    assert verification.look().verdict.broken_at == broken


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_tampering_with_what_was_walked_is_found_by_the_whole_walk(journal: Journal, path: Path):
    grown(journal, 4)
    time_ms = 1_000_000_000_000
    verification = Verification(journal, lambda: time_ms)
    begun = verification.look()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit SET actor = 'eve' WHERE number = 2")
    assert verification.look() == begun
    assert verification.look(whole=True).verdict.broken_at == 2
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit SET actor = 'ana' WHERE number = 2")
    assert verification.look().verdict.broken_at is None  # looked at whole while it is broken

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit SET actor = 'eve' WHERE number = 2")
    time_ms += 24 * 3_600_000 - 1
    assert verification.look().verdict.broken_at is None
    time_ms += 1
    assert verification.look().verdict.broken_at == 2
    assert verification.look().whole_at.timestamp() * 1000 == time_ms


def test_an_entry_sealed_again_is_found(journal: Journal):
    """Who changes the newest entry and its hash leaves a chain that holds by itself."""
    with journal.write() as connection:
        audit.append(connection, "ana", "x", "y")
    table = schema.audit
    with journal.write() as connection:
        row = dict(connection.execute(select(table)).one()._mapping)
        del row["hash"]
        row["actor"] = "eve"
        connection.execute(update(table).values(actor="eve", hash=audit.seal(row)))
    verdict = audit.verify(journal)
    assert (verdict.broken_at, verdict.reason) == (1, "Entry 1 was sealed again.")


def test_a_long_chain_is_walked_in_pieces(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit, "_AT_ONCE", 3)
    for number in range(7):
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number))
    verdict = audit.verify(journal)
    assert (verdict.entries, verdict.broken_at) == (7, None)
    assert verdict.head == audit.entries(journal)[0].hash


def test_text_no_database_holds_is_kept_as_far_as_it_can_be(journal: Journal):
    with journal.write() as connection:
        told: dict[str, object] = {"n": float("nan"), "s": "\ud800"}
        audit.append(connection, "a\0b", "x", "half \ud800", detail=told)
    assert audit.verify(journal).broken_at is None
    (entry,) = audit.entries(journal)
    assert (entry.actor, entry.subject) == ("a�b", "half ?")


def test_a_time_range_and_a_page_are_one_question(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    for number in range(1, 7):
        monkeypatch.setattr(audit, "now_ms", lambda at=number: at * 1000)
        with journal.write() as connection:
            audit.append(connection, "ana", "x", str(number))
    since = datetime.fromtimestamp(3, UTC)
    page = audit.entries(journal, since=since, limit=3)
    assert [entry.number for entry in page] == [6, 5, 4]
    rest = audit.entries(journal, since=since, before=4, limit=3)
    assert [entry.number for entry in rest] == [3]


def test_who_sees_some_projects_sees_their_entries_alone(journal: Journal):
    with journal.write() as connection:
        audit.append(connection, "ana", "sign-in", "ana", detail={"address": "10.0.0.1"})
        audit.append(connection, "ana", "promote.done", "m", project="p")
        audit.append(connection, "ana", "promote.done", "m", project="q")
        audit.append(connection, "ana", "pro_ote.done", "m", project="p")
    assert [e.number for e in audit.entries(journal, projects=("p",))] == [4, 2]
    assert [e.number for e in audit.entries(journal, what="pro_")] == [4]
    assert [e.number for e in audit.entries(journal, project="q", actor="ana")] == [3]
    assert [e.number for e in audit.entries(journal, before=3, limit=1)] == [2]


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


@pytest.mark.parametrize("bad", ["", "0.9", "=> 1", "> x", ">= 1 and <= 2", "> nan"])
def test_a_malformed_gate_is_refused(bad: str):
    with pytest.raises(InputError, match="gate"):
        parse("acc", bad)


@given(value=st.floats(allow_nan=True), bound=st.floats(-100, 100).map(lambda x: round(x, 3)))
def test_gates_compare_as_python_does_and_nan_never_passes(value: float, bound: float):
    (result,) = evaluate({"m": f">= {bound}"}, {"m": value})
    assert result.passed == (math.isfinite(value) and value >= bound)


@pytest.mark.parametrize(
    ("bound", "value", "passes"),
    [
        (">= 0.9", 0.9, True),
        ("> 0.9", 0.9, False),
        ("<= 5", 5.0, True),
        ("< 5", 5.0, False),
        ("== 1", 1.0, True),
        ("== 1", 1.1, False),
        (" >=-1e-3 ", 0.0, True),
        (">= 0", math.inf, False),
        ("<= 0", -math.inf, False),
        ("<= 1", math.nan, False),
    ],
)
def test_gates_pass_on_their_bound(bound: str, value: float, passes: bool):
    (result,) = evaluate({"m": bound}, {"m": value})
    assert result.passed == passes
    assert ("passes no gate" in result.sentence) == (not math.isfinite(value))


def test_a_gate_that_is_no_text_is_refused():
    with pytest.raises(InputError, match="gate"):
        parse("acc", 0.9)  # type: ignore[arg-type]


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


def test_a_missing_metric_never_passes():
    (result,) = evaluate({"m": "< 1"}, {})
    assert not result.passed
    assert result.sentence == "m was not logged; the gate wants < 1."
