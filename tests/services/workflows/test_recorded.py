"""What the mirror recorded, as the policy's own facts; the past of the queue's seed replayed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.mirror.workflow_models import Decided, PolicyDecision, TaskRun, Wait
from services.resources.models import GIB, Capacity
from services.workflows import recorded
from services.workflows.models import Share
from services.workflows.recorded import Declared
from services.workflows.replay import MOST, STRETCH_S, astray, changed, replay
from services.workflows.routing import ANYWHERE, Requirement
from services.workflows.simulation import Outcome, Setup

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTS = (Capacity("studio", 40 * GIB, 1), Capacity("mini", 10 * GIB, 1))
ZERO = T0.timestamp()


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def ran(
    run: str,
    asked: float,
    begin: float | None,
    end: float | None,
    project: str = "lora",
    **more: Any,
) -> TaskRun:
    evidence: dict[str, Any] = {"memory": {"peak_bytes": 4 * GIB}}
    evidence |= {} if begin is None else {"started_at": at(begin).isoformat()}
    evidence |= {} if end is None else {"ended_at": at(end).isoformat()}
    said: dict[str, Any] = {
        "dag_id": f"{project}.train", "run_id": run, "task_id": "train", "map_index": -1,
        "title": "train", "operator": "HeavyTask",
        "state": "success" if end is not None else "running" if begin is not None else "scheduled",
        "tries": 1, "max_tries": 0, "scheduled_at": at(asked), "queued_at": at(asked),
        "started_at": at(asked), "ended_at": None if end is None else at(end),
        "pool": "default_pool", "queue": None, "weight": 1, "host": None, "note": None,
        "evidence": evidence,
    }  # fmt: skip
    return TaskRun(project=project, **{**said, **more})


def wait(job: str, kind: str, begin: float, end: float | None, project: str = "lora") -> Wait:
    return Wait(job, project, kind, kind, at(begin), None if end is None else at(end))


def test_only_the_time_of_the_command_is_use_and_only_of_heavy_tasks():
    tasks = [
        ran("one", 0, 100, 200),
        ran("two", 0, 150, None),
        ran("three", 0, None, None),
        ran("gate", 0, 10, 20, operator="PlatformTask"),
        ran("check", 0, 10, 20, task_id="evaluate", operator="ProjectTask"),
    ]
    first, second = recorded.uses(tasks, {}, HOSTS, ZERO + 300)
    assert (first.begin, first.end, first.project) == (ZERO + 100, ZERO + 200, "lora")
    assert (second.begin, second.end) == (ZERO + 150, None)
    assert first.cost == 1.0  # a slot of two, and less of the memory


def test_a_part_of_a_comparison_is_its_own_projects():
    task = ran("one", 0, 1, 2, project="platform")
    task.evidence["project"] = "vision"  # type: ignore[index]  # a document
    assert recorded.project_of(task) == "vision"


def test_a_job_whose_runner_was_killed_ended_when_airflow_says():
    task = ran("one", 0, 100, None, state="failed", ended_at=at(160))
    assert recorded.ran(task) == (ZERO + 100, ZERO + 160)
    assert recorded.ran(ran("two", 0, 100, 90)) == (None, None)  # a clock that was set back
    assert recorded.ran(ran("three", 0, None, None)) == (None, None)


def test_a_job_is_ready_when_only_its_turn_is_missing():
    job = "lora.train/one/train"
    waits = [
        wait(job, "dependency", 0, 40), wait(job, "paused", 40, 60), wait(job, "order", 60, 90),
        wait(job, "running", 90, None),
    ]  # fmt: skip
    tasks = [ran("one", 0, 90, 120), ran("two", 20, 200, 260), ran("three", 300, None, None)]
    found = recorded.recorded(tasks, waits, {}, HOSTS, ZERO)
    by_run = {one.job.id.split("/")[1]: one for one in found}
    assert by_run["one"].job.submitted == ZERO + 60
    assert by_run["two"].job.submitted == ZERO + 20  # nothing is kept of its waits
    assert (by_run["three"].begin, by_run["three"].end) == (None, None)
    assert recorded.recorded(tasks, waits, {}, HOSTS, ZERO + 1_000) == ()


def test_what_was_expected_is_what_was_known_then():
    tasks = [
        ran("one", 0, 0, 100),
        ran("two", 200, 200, 500),
        ran("failed", 500, 500, 900, state="failed"),
        ran("three", 1_000, 1_000, 1_050),
        ran("other", 1_000, 1_000, 1_050, project="vision"),
    ]
    found = {one.job.id: one.job for one in recorded.recorded(tasks, (), {}, HOSTS, ZERO)}
    assert found["lora.train/one/train"].expected_s is None
    assert found["lora.train/two/train"].expected_s == 100
    assert found["lora.train/three/train"].expected_s == 200
    assert found["vision.train/other/train"].expected_s is None


def test_needs_are_declared_else_measured_else_a_guess():
    task = ran("one", 0, 1, 2)
    assert recorded.needs_of(task, {"lora": Declared(7 * GIB)}).memory_bytes == 7 * GIB
    assert recorded.needs_of(task, {}).memory_bytes == 4 * GIB
    assert recorded.needs_of(ran("two", 0, 1, 2, task_id="client"), {}).gpu_slots == 0
    task.evidence["memory"] = {"peak_bytes": None}  # type: ignore[index]  # a document
    assert "is a guess" in recorded.needs_of(task, {}).said


def test_a_wish_that_no_machine_fulfils_is_left_out_of_the_replay():
    tasks = [ran("one", 0, 1, 2)]

    def wish(asked: Requirement) -> Requirement:
        given = {"lora": Declared(requires=asked)}
        return recorded.recorded(tasks, (), given, HOSTS, ZERO)[0].job.requires

    assert wish(Requirement(host="mini")) == Requirement(host="mini")
    assert wish(Requirement(host="gone")) == ANYWHERE


def test_what_projects_declare_is_read_and_what_is_damaged_left_out(tmp_path: Path):
    said = {"memory_bytes": 5 * GIB, "gpu_slots": 2, "queue": {"chip": "M3", "host": ""}}
    (tmp_path / "lora.json").write_text(json.dumps(said))
    (tmp_path / "odd.json").write_text(json.dumps({"queue": {"chip": "Pentium"}}))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    assert recorded.declared(tmp_path) == {
        "lora": Declared(5 * GIB, 2, Requirement(chip="M3")),
        "odd": Declared(),
    }


# Settings


def decided(**more: Any) -> Decided:
    hosts = (
        {"host": "studio", "here": True, "memory_bytes": 40 * GIB, "gpu_slots": 1},
        {"host": "mini", "here": False, "memory_bytes": None, "gpu_slots": 1},
    )
    shares = ({"project": "lora", "weight": 2.0, "priority": 7, "quota_hours": 3.0},)
    return Decided(T0, (), hosts, shares, ())


def test_the_machines_of_the_queue_have_the_chips_that_telemetry_knows():
    known = [Capacity("studio", 1, chip="Apple M3", gpu_cores=10, total_bytes=64 * GIB)]
    studio, mini = recorded.capacities(decided(), known)
    assert (studio.memory_bytes, studio.chip, studio.gpu_cores) == (40 * GIB, "Apple M3", 10)
    assert (mini.memory_bytes, mini.chip) == (None, None)
    assert recorded.here(decided()) == "studio"
    assert recorded.shares(decided()) == {"lora": Share("lora", 2.0, 7, 3.0)}


def test_the_thermal_policy_is_replayed_from_how_it_stood_before():
    decisions = [
        PolicyDecision("studio", at(200), "hold", "open", "none", "normal", ()),
        PolicyDecision("studio", at(100), "single", "hold", "heat", "hot", ()),
        PolicyDecision("mini", at(150), "open", "later", "none", "of another version", ()),
    ]
    found = recorded.setup(decided(), decisions, HOSTS).policies
    assert [when for when, _ in found] == [0.0, ZERO + 100, ZERO + 150, ZERO + 200]
    assert [one["studio"].stance for _, one in found] == ["single", "hold", "hold", "open"]
    assert found[1][1]["studio"].refuses(0, heavy=True) == "hot"
    assert found[2][1]["mini"].stance == "open"
    assert recorded.setup(decided(), (), HOSTS).policies == ()


# Used against due


def test_what_was_wanted_is_the_time_in_line():
    waits = [
        wait("a", "order", -50, 50), wait("a", "running", 50, 80), wait("b", "thermal", 150, None),
        wait("c", "dependency", 0, 200),
    ]  # fmt: skip
    found = recorded.wanted_over_time(waits, ZERO, ZERO + 200, 2)
    assert found == {"lora": (50.0, 50.0)}


def test_due_is_by_weight_and_never_more_than_was_wanted():
    used = {"lora": (60.0, 0.0), "vision": (60.0, 100.0)}
    waited = {"lora": (100.0, 0.0), "small": (10.0, 0.0)}
    found = recorded.due_over_time(used, waited, {"lora": 3.0})
    assert found["small"] == (10.0, 0.0)  # it wanted no more
    assert found["lora"] == pytest.approx((82.5, 0.0))
    assert found["vision"] == pytest.approx((27.5, 100.0))
    assert recorded.due_over_time({}, {}, {}) == {}


# Replays


def crowded(count: int = 12) -> tuple[recorded.Recorded, ...]:
    """Return jobs of two projects that came together, and had one machine one after the other."""
    tasks = [
        ran(f"{n:03d}", 0, n * 100, n * 100 + 100, ("lora", "vision")[n >= count // 2])
        for n in range(count)
    ]
    return recorded.recorded(tasks, (), {}, HOSTS[:1], ZERO)


def test_another_weight_makes_one_wait_less_and_the_other_more():
    jobs = crowded()
    then = Setup(HOSTS[:1], {name: Share(name) for name in ("lora", "vision")})
    begin, end = ZERO, ZERO + 1_200
    heavy = replay(jobs, then, changed(then, {"vision": Share("vision", 8.0)}, {}), begin, end)
    even = replay(jobs, then, then, begin, end)
    after = {one.project: one.wait_after_s for one in heavy.found.projects}
    level = {one.project: one.wait_after_s for one in even.found.projects}
    assert after["vision"] < level["vision"]  # type: ignore[operator]
    assert after["lora"] > level["lora"]  # type: ignore[operator]
    assert (heavy.found.replayed, heavy.too_many) == (12, 0)


def test_what_went_astray_is_what_would_have_to_change_hands():
    jobs = crowded()
    then = Setup(HOSTS[:1], {name: Share(name) for name in ("lora", "vision")})
    real = [Outcome(one.job, "", one.begin, one.end) for one in jobs]
    # Of the first half lora had all and was due half of it, of the second vision.
    two = 2 * STRETCH_S
    wide = [
        replace(one, job=replace(one.job, submitted=ZERO), begin=b, end=b + STRETCH_S)
        for one, b in zip((real[0], real[6]), (ZERO, ZERO + STRETCH_S), strict=True)
    ]
    assert astray(wide, then.shares, ZERO, ZERO + two) == pytest.approx(0.25)
    heavy = {"vision": Share("vision", 3.0)}
    assert astray(wide, heavy, ZERO, ZERO + two) == pytest.approx(0.375)
    assert astray((), heavy, ZERO, ZERO + two) == 0.0


def test_another_machine_or_none_is_told():
    jobs = crowded()
    then = Setup(HOSTS[:1])
    two = replay(jobs, then, changed(then, {}, {"studio": 2}), ZERO, ZERO + 1_200)
    waits = {one.project: (one.wait_before_s, one.wait_after_s) for one in two.found.projects}
    assert waits == {"lora": (250.0, 250.0), "vision": (850.0, 250.0)}  # in turns, two at a time
    none = replay(jobs, then, changed(then, {}, {"studio": 0}), ZERO, ZERO + 1_200)
    assert none.found.unplaced == 12


def test_more_than_can_be_replayed_leaves_out_the_oldest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.workflows.replay.MOST", 5)
    then = Setup(HOSTS[:1])
    found = replay(crowded(), then, then, ZERO, ZERO + 1_200)
    assert (found.found.replayed, found.too_many) == (5, 7)
    assert MOST == 600
