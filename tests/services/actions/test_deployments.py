"""What charts are marked with, out of a real journal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.actions import schema
from services.actions.deployments import KINDS, deployments
from services.actions.journal import Journal

AT = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")


def put(
    journal: Journal,
    kind: str,
    minutes: float,
    *,
    state: str = "done",
    project: str | None = "clip-finetuning",
) -> None:
    """Write an action as one that ended so many minutes after AT."""
    at_ms = round((AT + timedelta(minutes=minutes)).timestamp() * 1000)
    row = {
        "key": f"{kind}{minutes}{state}{project}", "kind": kind, "project": project,
        "title": f"{kind} at {minutes}", "params": "{}", "memory": "{}", "actor": "mira",
        "actor_kind": "user", "actor_role": "approver", "subject": "", "state": state, "error": "",
        "hint": "", "result": "", "submitted_ms": at_ms - 500, "attempts": 1,
        "finished_ms": at_ms if state != "pending" else None,
    }  # fmt: skip
    with journal.write() as connection:
        connection.execute(schema.actions.insert().values(**row))


def told(journal: Journal, projects: tuple[str, ...] | None = None) -> list[str]:
    found = deployments(journal, AT, AT + timedelta(hours=1), projects)
    return [f"{one.at:%H:%M} {one.kind}" for one in found]


def test_what_was_done_then_is_told_oldest_first(journal: Journal):
    for kind, minutes in (("rollback", 30), ("promote", 10), ("data-checkout", 20)):
        put(journal, kind, minutes)
    assert told(journal) == ["12:10 promote", "12:20 data-checkout", "12:30 rollback"]
    (first, *_) = deployments(journal, AT, AT + timedelta(hours=1))
    assert (first.title, first.project, first.actor) == ("promote at 10", "clip-finetuning", "mira")


def test_the_time_is_half_open_and_that_of_the_end(journal: Journal):
    put(journal, "promote", 0)
    put(journal, "promote", 60)
    put(journal, "promote", -1)
    assert told(journal) == ["12:00 promote"]


def test_what_failed_waits_or_changes_nothing_that_runs_is_no_mark(journal: Journal):
    for state in ("failed", "pending", "running", "denied", "compensated"):
        put(journal, "promote", 5, state=state)
    put(journal, "tag-run", 6)
    put(journal, "add-user", 7, project=None)
    assert told(journal) == []


def test_other_projects_are_not_told(journal: Journal):
    put(journal, "promote", 5)
    put(journal, "promote", 6, project="stable-diffusion")
    assert told(journal, ("stable-diffusion",)) == ["12:06 promote"]
    assert told(journal, ()) == []


def test_of_many_the_newest_are_told(journal: Journal):
    for number in range(205):
        put(journal, "promote", number / 10)
    found = deployments(journal, AT, AT + timedelta(hours=1))
    assert len(found) == 200
    assert found[-1].title == "promote at 20.4"


def test_promotions_roll_backs_and_checkouts_are_among_them():
    assert {"promote", "rollback", "data-checkout", "deploy"} <= set(KINDS)
