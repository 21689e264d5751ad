"""What is kept over a restart, and a queue that is replayed under other settings."""

from pathlib import Path

import pytest

from services.errors import PlatformError
from services.workflows.kept import Overrides, Stances
from services.workflows.models import Override, Share, Use
from services.workflows.simulation import Arrival, Setup, simulate
from services.workflows.thermal import HostPolicy
from services.workflows.whatif import Recorded, use_over_time, what_if
from tests.services.resources.machines import mac
from tests.services.workflows.lines import HOUR, NOW, job
from tests.services.workflows.test_thermal import levels, replay

ONE = (mac(memory_gb=30),)


def test_a_hold_outlives_the_controller(tmp_path: Path):
    path = tmp_path / "policy.json"
    held, _ = replay(levels((20, 3)))
    Stances(path).write([held, HostPolicy("mini")])
    assert Stances(path).read() == {held.host: held, "mini": HostPolicy("mini")}
    policy, decisions = replay(levels((58, 0)), Stances(path).read()[held.host])
    assert (policy.stance, decisions) == ("pause", [])


def test_nothing_kept_is_nothing_known(tmp_path: Path):
    assert Stances(tmp_path / "policy.json").read() == {}


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        '{"stances": [{"host": "a", "stance": "gone"}]}',
        '{"stances": [{"host": "a", "stance": "hold"}]}',
        '{"stances": [{"host": "a", "other": 1}]}',
        '{"stances": [{"host": "a", "calm_s": "long"}]}',
        '{"stances": [{"host": "a", "calm_s": 1' + "0" * 400 + "}]}",
    ],
)
def test_what_cannot_be_read_is_set_aside(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "policy.json"
    path.write_text(damage)
    assert Stances(path).read() == {}
    assert "was set aside" in caplog.text
    assert not path.exists()


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path):
    with pytest.raises(PlatformError, match="The lock of the stances"):
        Stances(tmp_path / "gone" / "policy.json").write([])


# What operators said


def test_an_override_is_put_and_taken_back(tmp_path: Path):
    kept = Overrides(tmp_path / "overrides.json")
    first = Override("a-1", "front", by="ana", at=1.0)
    assert kept.put(first) is None
    assert kept.put(first) == first  # done again after a crash
    before = kept.put(Override("a-1", priority=9, by="ben", at=2.0))
    assert before == first
    assert kept.of("a-1") == Override("a-1", "front", 9, "ben", 2.0)
    kept.restore("a-1", before)
    assert kept.read() == (first,)
    kept.restore("a-1", None)
    assert kept.read() == ()
    assert kept.of("a-1") is None


def test_overrides_of_what_waits_no_longer_are_forgotten(tmp_path: Path):
    kept = Overrides(tmp_path / "overrides.json")
    for name in ("a-1", "b-1"):
        kept.put(Override(name, "back"))
    kept.keep({"b-1"})
    assert [one.job for one in kept.read()] == ["b-1"]


@pytest.mark.parametrize(
    "damage", ['{"job": "a", "move": "up"}', '{"job": "a", "priority": 11}', '{"priority": 1}']
)
def test_an_override_that_says_nothing_is_set_aside(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "overrides.json"
    path.write_text(f'{{"overrides": [{damage}]}}')
    assert Overrides(path).read() == ()
    assert "move them once more" in caplog.text


# What-if


def recorded(setup: Setup, *arrivals: Arrival) -> list[Recorded]:
    """A recording: what the policy itself made of the jobs."""
    return [Recorded(one.job, one.begin, one.end) for one in simulate(arrivals, setup, NOW)]


def arrival(name: str, ago_s: float = 0.0) -> Arrival:
    return Arrival(job(name, ago_s=ago_s), HOUR)


JOBS = [arrival(f"{name}-{n}", -float(n)) for name in "ab" for n in range(4)]


def test_the_same_settings_give_back_what_was():
    then = Setup(ONE)
    found = what_if(recorded(then, *JOBS), then, then, NOW, NOW + 8 * HOUR)
    assert found.error_s == 0
    assert all(one.wait_before_s == one.wait_after_s for one in found.projects)
    assert found.said == (
        "Simulated: 8 jobs replayed. Under the settings of then the replay's waits are 0.0 min "
        "from the real ones in the median."
    )


def test_more_weight_is_less_waiting_and_a_second_machine_for_all():
    then = Setup(ONE)
    history = recorded(then, *JOBS)
    heavy = what_if(history, then, Setup(ONE, {"b": Share("b", 4.0)}), NOW, NOW + 4 * HOUR)
    a, b = heavy.projects
    assert b.wait_after_s < b.wait_before_s
    assert a.wait_after_s > a.wait_before_s
    assert (b.used_before_s, b.used_after_s) == (2 * HOUR, 3 * HOUR)
    two = what_if(history, then, Setup((*ONE, mac("mini", 12))), NOW, NOW + 4 * HOUR)
    assert all(one.wait_after_s < one.wait_before_s for one in two.projects)


def test_what_never_ended_is_left_out_and_counted():
    history = [*recorded(Setup(ONE), *JOBS), Recorded(job("c-1"), NOW, None)]
    small = Setup((mac(memory_gb=4),))
    found = what_if(history, Setup(ONE), small, NOW, NOW + HOUR)
    assert (found.replayed, found.left_out, found.unplaced) == (8, 1, 8)
    assert found.said.endswith("1 job left out that never ended. 8 jobs would never start so.")
    assert [one.wait_after_s for one in found.projects] == [None, None]


def test_what_blocked_a_job_then_is_over_when_it_is_replayed():
    history = [Recorded(job("a-1", ago_s=0, blocked="paused"), NOW + 60, NOW + HOUR)]
    found = what_if(history, Setup(ONE), Setup(ONE), NOW, NOW + HOUR)
    assert found.unplaced == 0
    assert found.error_s == 60


def test_nothing_recorded_is_nothing_replayed():
    found = what_if([], Setup(ONE), Setup(ONE), NOW, NOW + HOUR)
    assert (found.projects, found.error_s, found.said) == ((), None, "Simulated: 0 jobs replayed.")


def test_use_is_told_in_stretches():
    uses = [
        Use("a", NOW - HOUR, NOW + HOUR),
        Use("a", NOW + HOUR, None, 0.5),
        Use("b", NOW + 10 * HOUR, NOW + 11 * HOUR),
    ]
    assert use_over_time(uses, NOW, NOW + 3 * HOUR, 3) == {
        "a": (HOUR, HOUR / 2, HOUR / 2),
        "b": (0.0, 0.0, 0.0),
    }
