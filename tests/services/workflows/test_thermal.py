"""The thermal policy, driven by recorded telemetry sample by sample."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engines.silicon.models import Machine, Sample
from services.telemetry.models import HostState
from services.workflows.thermal import (
    BLIND_S,
    Decision,
    Figure,
    HostPolicy,
    figures_of,
    step,
)
from tests.services.telemetry.recordings import (
    BUSY,
    HOST,
    LINUX,
    MAC,
    PSUTIL,
    at,
    recording,
    sample,
)
from tests.services.telemetry.samples import Clock, store

State = Mapping[str, float | None]


def levels(*stretches: tuple[float, float | None], metric: str = "thermal_level"):
    """A recording in which one metric has these values for so many seconds each."""

    def state(second: float) -> State:
        left = second
        for seconds, value in stretches:
            left -= seconds
            if left <= 0:
                return {**BUSY, metric: value}
        return BUSY

    return recording(sum(seconds for seconds, _ in stretches), state)


def replay(
    samples: Iterable[Sample], policy: HostPolicy | None = None, machine: Machine = MAC
) -> tuple[HostPolicy, list[Decision]]:
    """Look at the machine after every sample, as the controller does."""
    policy = policy or HostPolicy(HOST)
    decisions = []
    for one in samples:
        state = HostState(machine, one.at, one.readings)
        now = one.at.timestamp()
        policy, decision = step(policy, figures_of(state, now), now)
        if decision is not None:
            decisions.append(decision)
    return policy, decisions


def told(decisions: Iterable[Decision]) -> list[tuple[float, str, tuple[str, ...]]]:
    """When, which stance, what is done."""
    return [(one.at - at(0).timestamp(), one.stance, one.acts) for one in decisions]


# Levels to actions, by FACTS


def test_a_cool_machine_decides_nothing():
    policy, decisions = replay(levels((600, 0)))
    assert decisions == []
    assert (policy.stance, policy.said, policy.opening) == ("open", "", "open")


@pytest.mark.parametrize(
    ("level", "stance", "acts"),
    [
        (1, "single", ("shrink_pools",)),
        (2, "hold", ("close_pools",)),
        (3, "pause", ("close_pools", "pause_all")),
        (4, "pause", ("close_pools", "pause_all")),
    ],
)
def test_each_level_has_its_actions(level, stance, acts):
    _, decisions = replay(levels((20, 0), (20, level)))
    assert (decisions[-1].stance, decisions[-1].acts) == (stance, acts)
    assert decisions[-1].at - at(22).timestamp() <= 2  # of the first reading of that level


def test_heat_that_rises_and_falls_is_followed_with_hysteresis():
    policy, decisions = replay(
        levels((20, 0), (20, 1), (20, 2), (20, 3), (30, 1), (30, 0), (80, 0))
    )
    assert told(decisions) == [
        (22, "single", ("shrink_pools",)),
        (42, "hold", ("close_pools",)),
        (64, "pause", ("close_pools", "pause_all")),
        (170, "open", ("open_pools", "resume")),  # a minute of level 0, which began at 110
    ]
    assert policy.stance == "open"


def test_a_machine_between_hot_and_cool_stays_held():
    policy, decisions = replay(levels((20, 2), (600, 1)))
    assert [one.stance for one in decisions] == ["hold"]
    assert policy.said == f"{HOST} is at thermal level 2 (heavy): no new heavy job starts."


def test_a_short_cool_spell_does_not_resume():
    _, decisions = replay(levels((10, 3), *[(50, 0), (4, 1)] * 8))
    assert [one.stance for one in decisions] == ["hold", "pause"]


def test_one_reading_gone_astray_pauses_nothing():
    _, decisions = replay(levels((20, 0), (2, 4), (100, 0)))
    assert [one.stance for one in decisions] == ["hold", "open"]
    assert "second reading" in decisions[0].said
    assert all("pause_all" not in one.acts and "resume" not in one.acts for one in decisions)


def test_the_same_sample_seen_often_counts_once():
    hot = sample(2, {**BUSY, "thermal_level": 4})
    _, decisions = replay([hot] * 20)
    assert [one.stance for one in decisions] == ["hold"]


def test_a_decision_keeps_its_readings():
    _, (decision, *_) = replay(levels((4, 2)))
    assert decision.figures == (
        Figure("thermal_level", 2.0, "macmon 0.8.2", at(2).timestamp()),
        Figure("memory_pressure", 1.0, "macmon 0.8.2", at(2).timestamp()),
        Figure("low_power_mode", 0.0, "macmon 0.8.2", at(2).timestamp()),
        Figure("on_battery", 0.0, "macmon 0.8.2", at(2).timestamp()),
        Figure("battery_ratio", 1.0, "macmon 0.8.2", at(2).timestamp()),
    )
    assert (decision.rule, decision.before, decision.stance) == ("heat", "open", "hold")


# Memory, battery, Low Power Mode


def test_memory_pressure_loads_nothing_new_then_pauses_the_largest():
    policy, decisions = replay(levels((20, 2), (50, 4), (80, 1), metric="memory_pressure"))
    assert [(one.stance, one.acts) for one in decisions] == [
        ("hold", ("close_pools",)),
        ("pause", ("close_pools", "pause_largest")),
        ("pause", ("pause_largest",)),  # 20 s later it is as short as before
        ("pause", ("pause_largest",)),
        ("open", ("open_pools", "resume")),
    ]
    assert decisions[1].said == (
        f"{HOST} is short of memory (pressure 4 of 4): the largest training job is paused."
    )
    assert policy.paused is False


def test_memory_pressure_holds_light_jobs_as_well_and_heat_does_not():
    by_memory, _ = replay(levels((4, 2), metric="memory_pressure"))
    by_heat, _ = replay(levels((4, 2)))
    assert by_memory.refuses(0, heavy=False)
    assert by_heat.refuses(0, heavy=True)
    assert not by_heat.refuses(0, heavy=False)
    assert (by_memory.opening, by_heat.opening) == ("closed", "no_heavy")


def test_at_level_one_a_second_heavy_job_waits_and_the_first_does_not():
    policy, _ = replay(levels((4, 1)))
    assert not policy.refuses(0, heavy=True)
    assert policy.refuses(1, heavy=True) == (
        f"{HOST} is at thermal level 1 (moderate): no second heavy job starts. One heavy job runs "
        "at a time."
    )


@pytest.mark.parametrize(
    ("left", "stance"), [(0.9, "single"), (None, "single"), (0.5, "hold"), (0.1, "pause")]
)
def test_on_battery_less_is_started(left, stance):
    policy, _ = replay(recording(10, {**BUSY, "on_battery": 1, "battery_ratio": left}))
    assert (policy.stance, policy.rule) == (stance, "battery")


def test_low_power_mode_marks_runs_and_holds_none():
    policy, decisions = replay(recording(10, {**BUSY, "low_power_mode": 1}))
    assert (policy.low_power, decisions) == (True, [])
    assert replay(recording(10, {**BUSY, "low_power_mode": None}))[0].low_power is None


def test_the_strictest_of_several_reasons_counts_and_the_next_takes_over():
    def state(second: float) -> State:
        return {**BUSY, "on_battery": 1, "battery_ratio": 0.9,
                "thermal_level": 2 if second <= 20 else 0}  # fmt: skip

    _, decisions = replay(recording(120, state))
    assert [(one.stance, one.rule) for one in decisions] == [
        ("hold", "heat"),
        ("single", "battery"),
    ]


# What is not known


def test_a_machine_without_the_figures_is_left_alone_and_said_so():
    policy, decisions = replay(recording(600, PSUTIL, machine=LINUX), machine=LINUX)
    assert (policy.stance, decisions) == ("open", [])
    assert policy.unknown == (
        "Memory pressure is not known: not Apple Silicon.",
        "Thermal level is not known: not Apple Silicon.",
    ) or policy.unknown == (
        "Thermal level is not known: not Apple Silicon.",
        "Memory pressure is not known: not Apple Silicon.",
    )


def test_a_level_that_goes_missing_changes_nothing_for_a_while():
    policy, decisions = replay(levels((20, 2), (BLIND_S - 4, None)))
    assert [one.stance for one in decisions] == ["hold"]
    assert policy.unknown[0].startswith("Thermal level is not known")


def test_blindness_loosens_by_one_step_and_no_further():
    policy, decisions = replay(levels((20, 3), (2 * BLIND_S, None)))
    assert [(one.stance, one.acts) for one in decisions][1:] == [
        ("pause", ("close_pools", "pause_all")),
        ("single", ("shrink_pools", "resume")),
    ]
    assert decisions[-1].said.startswith("Nothing was heard for 15 min of what held the jobs")
    assert policy.stance == "single"


def test_other_figures_still_count_while_one_is_missing():
    def state(second: float) -> State:
        if second <= 20:
            return {**BUSY, "thermal_level": 2}
        return {**BUSY, "thermal_level": None, "memory_pressure": 4}

    policy, _ = replay(recording(40, state))
    assert (policy.stance, policy.rule) == ("pause", "memory")


def test_old_readings_say_nothing_of_now():
    hot = sample(0, {**BUSY, "thermal_level": 4})
    figures = figures_of(HostState(MAC, hot.at, hot.readings), at(31).timestamp())
    assert {one.value for one in figures} == {None}
    assert figures[0].reason == "nothing came for 31 s"
    assert figures_of(HostState(MAC, None, ()), 1.0)[0].reason == "it never sent telemetry"
    assert figures_of(HostState(MAC, hot.at, ()), at(1).timestamp())[0].reason == (
        "the machine was not asked for it"
    )


def test_sleep_and_a_clock_that_was_set_are_not_calm():
    held, _ = replay(levels((20, 2)))
    later = sample(7200, BUSY)
    policy, decisions = replay([later], held)
    assert (policy.stance, decisions) == ("hold", [])
    back = [replace(one) for one in recording(40, BUSY, begin_s=-7200)]
    assert replay(back, held)[0].stance == "hold"


figures = st.lists(
    st.tuples(
        st.sampled_from([None, 0, 0, 1, 2, 3, 4]),
        st.sampled_from([None, 1, 1, 2, 4]),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([0.05, 0.4, 0.9]),
        st.integers(1, 30),
    ),
    max_size=12,
)


@given(figures)
def test_whatever_is_read_it_loosens_only_after_a_calm_minute(found):
    samples, begin = [], 0.0
    for heat, pressure, battery, left, count in found:
        state = {**BUSY, "thermal_level": heat, "memory_pressure": pressure,
                 "on_battery": battery, "battery_ratio": left}  # fmt: skip
        samples += recording(count * 2.0, state, begin_s=begin)
        begin += count * 2.0
    policy, decisions = replay(samples)
    stances = ["open", "single", "hold", "pause"]
    paused = False
    for before, one in zip([None, *decisions], decisions, strict=False):
        assert one.figures
        assert one.said.endswith(".")
        looser = stances.index(one.stance) < stances.index(one.before)
        if looser and before is not None:
            assert one.at - before.at >= 60
        if "resume" in one.acts:
            assert paused
        paused = (paused or bool({"pause_all", "pause_largest"} & set(one.acts))) and (
            "resume" not in one.acts
        )
    assert paused == policy.paused
    assert (policy.stance == "open") == (policy.rule == "none") == (policy.said == "")


def test_the_policy_follows_what_the_store_keeps(tmp_path: Path):
    """Samples go to the store on disk and are read back as the controller reads them."""
    clock = Clock(at(0))
    kept = store(tmp_path, clock)
    kept.introduce(MAC, ())
    policy, decisions = HostPolicy(HOST), []
    for one in levels((10, 0), (10, 2), (70, 0)):
        kept.append(one)
        clock.at = one.at
        (state,) = kept.hosts()
        now = clock.at.timestamp()
        policy, decision = step(policy, figures_of(state, now), now)
        if decision is not None:
            decisions.append(decision)
    assert told(decisions) == [(12, "hold", ("close_pools",)), (80, "open", ("open_pools",))]
    assert decisions[0].figures[0] == Figure(
        "thermal_level", 2.0, "macmon 0.8.2", at(12).timestamp()
    )
    kept.close()
