"""What projects used, added up from their owners."""

from datetime import UTC, datetime, timedelta

from services.telemetry.consumption import by_project
from services.telemetry.models import OwnerUse

AT = datetime(2026, 11, 28, 8, tzinfo=UTC)


def use(
    owner: str, project: str = "", minute: int = 0, cpu_s: float | None = 1.0,
    gpu_s: float | None = None, memory: int | None = 100,
) -> OwnerUse:  # fmt: skip
    at = AT + timedelta(minutes=minute)
    return OwnerUse("h", owner, project, at, 60.0, cpu_s, gpu_s, memory)


def test_owners_of_a_project_are_one_and_their_memory_is_not_added_up():
    found = by_project(
        [
            use("run:a", "clip", 0, 2.0, 0.5, 300),
            use("run:b", "clip", 0, 1.0, None, 400),
            use("run:a", "clip", 1, 4.0, 1.5, 100),
        ]
    )
    assert len(found) == 1
    one = found[0]
    assert (one.kind, one.project, one.runs) == ("project", "clip", ("a", "b"))
    assert (one.cpu_s, one.gpu_s, one.memory_bytes) == (7.0, 2.0, 400)


def test_projects_come_first_then_engines_then_strangers_and_what_used_most_leads():
    found = by_project(
        [
            use("", cpu_s=90.0),
            use("engine:mlflow", cpu_s=50.0),
            use("engine:controller", cpu_s=5.0),
            use("run:a", "small", cpu_s=1.0),
            use("run:b", "large", cpu_s=2.0),
        ]
    )
    assert [(c.kind, c.project, c.cpu_s) for c in found] == [
        ("project", "large", 2.0), ("project", "small", 1.0), ("engines", "", 55.0),
        ("others", "", 90.0),
    ]  # fmt: skip


def test_projects_a_person_does_not_see_have_neither_name_nor_runs():
    found = by_project([use("run:a", "mine"), use("run:b", "one"), use("run:c", "two")], ["mine"])
    assert [(c.kind, c.project, c.runs, c.cpu_s) for c in found] == [
        ("project", "mine", ("a",), 1.0), ("hidden", "", (), 2.0),
    ]  # fmt: skip


def test_what_nobody_told_is_not_taken_for_nothing():
    found = by_project([use("run:a", "clip", cpu_s=None, memory=None)])
    assert (found[0].cpu_s, found[0].gpu_s, found[0].memory_bytes) == (None, None, None)
    assert by_project([]) == ()
