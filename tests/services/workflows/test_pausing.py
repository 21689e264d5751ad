"""Who is to pause, and what Airflow's runners are told of it."""

import json
from dataclasses import replace
from pathlib import Path

from mlops_workflows.told import ToldFile

from services.workflows.decision import Facts, decide, tell_airflow
from services.workflows.pausing import to_pause
from services.workflows.thermal import Decision, HostPolicy
from tests.services.workflows.lines import NOW
from tests.services.workflows.tables import ONE, running

HOT = HostPolicy("studio", "pause", NOW, "heat", "studio is too hot.", paused=True)
FULL = HostPolicy("studio", "pause", NOW, "memory", "studio is full.", paused=True)
SMALL, LARGE = running("a-1", memory_gb=4), running("b-1", memory_gb=16)
BOTH = (SMALL, LARGE)


def again(*acts: str) -> tuple[Decision, ...]:
    return (Decision("studio", NOW, "pause", "pause", "memory", acts, "studio is full.", ()),)  # type: ignore[arg-type]


def pause(policy: HostPolicy, before=(), jobs=BOTH, decisions=()) -> dict[str, str]:
    return to_pause(dict(before), jobs, {"studio": policy}, decisions)


def test_heat_pauses_all_of_that_machine_and_no_other():
    other = replace(SMALL, host="mini")
    assert pause(HOT, jobs=(*BOTH, other)) == {"a-1": HOT.said, "b-1": HOT.said}
    assert pause(HOT, jobs=(other,)) == {}


def test_want_of_memory_pauses_the_largest_and_one_more_each_time_it_is_decided():
    first = pause(FULL, decisions=again("close_pools", "pause_largest"))
    assert first == {"b-1": FULL.said}
    assert pause(FULL, first) == first
    assert set(pause(FULL, first, decisions=again("pause_largest"))) == {"a-1", "b-1"}


def test_after_a_restart_the_largest_is_paused_although_the_decision_is_past():
    assert pause(FULL) == {"b-1": FULL.said}


def test_what_is_paused_stays_so_until_the_policy_says_it_may_go_on():
    held = replace(HOT, stance="hold")
    assert pause(held, {"a-1": "It was hot."}) == {"a-1": "It was hot."}
    assert pause(replace(held, stance="open", paused=False), {"a-1": "It was hot."}) == {}


def test_a_job_that_ended_or_only_has_its_room_is_not_paused():
    assert pause(HOT, {"gone": "It was hot."}, jobs=()) == {}
    assert pause(HOT, jobs=(replace(SMALL, released=True),)) == {}


def test_runners_read_what_is_written(tmp_path: Path):
    decided = decide(Facts(NOW, ONE, running=BOTH), ahead=False)
    tell_airflow(tmp_path / "weights.json", decided, NOW, pause(HOT))
    assert ToldFile(tmp_path / "weights.json").pause("a-1") == HOT.said
    tell_airflow(tmp_path / "weights.json", decided, NOW)
    assert json.loads((tmp_path / "weights.json").read_text())["pause"] == {}
