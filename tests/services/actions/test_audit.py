import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from services.actions import audit, schema
from services.actions.journal import Journal
from services.actions.verification import Verification


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
