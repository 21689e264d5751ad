"""Joules: power over time, gaps, boundaries, idle power, and what is shorter than a sample."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engines.silicon.models import Reading
from services.telemetry.energy import allocate, idle_power, machine_energy
from tests.services.telemetry.recordings import (
    BUSY,
    IDLE,
    LINUX,
    PSUTIL,
    at,
    recording,
    sample,
    use,
    without,
)


def test_constant_power_over_time():
    found = machine_energy(recording(60), at(0), at(60))
    assert found.total.value == pytest.approx(16.0 * 60)
    assert (found.total.quality, found.boundary, found.coverage) == ("measured", "cpu+gpu+ane", 1)
    assert found.components["gpu"].mean_w.value == pytest.approx(14.0)
    assert found.dram.joules.value == pytest.approx(1.5 * 60)  # apart: not in the total
    assert found.system.joules.value == pytest.approx(28.0 * 60)


def test_an_interval_between_samples_takes_its_part_of_each_window():
    def state(moment):
        return {**BUSY, "gpu_w": 10.0 if moment <= 4 else 20.0}

    found = machine_energy(recording(8, state), at(3), at(5))
    assert found.components["gpu"].joules.value == pytest.approx(10 * 1 + 20 * 1)


def test_powers_of_a_moment_are_joined_by_trapezoids():
    """A power that rises by 1 W a second is t²/2, exactly, also where the interval cuts it."""
    samples = []
    for moment in range(2, 22, 2):
        one = sample(moment, BUSY)
        momentary = tuple(
            replace(r, value=float(moment), window_s=None) if r.metric == "gpu_w" else r
            for r in one.readings
        )
        samples.append(replace(one, readings=momentary))
    found = machine_energy(samples, at(5), at(17))
    assert found.components["gpu"].joules.value == pytest.approx((17**2 - 5**2) / 2)


def test_a_trapezoid_does_not_span_a_gap():
    def moment(seconds, watts):
        one = sample(seconds, BUSY)
        others = tuple(r for r in one.readings if r.metric != "gpu_w")
        return replace(one, readings=(*others, Reading("gpu_w", watts, "measured")))

    found = machine_energy([moment(2, 10.0), moment(4, 10.0), moment(12, 30.0)], at(0), at(12))
    assert found.components["gpu"].measured_j == pytest.approx(10 * 4 + 30 * 2)


def test_a_few_missing_samples_are_filled_with_the_mean_and_said():
    samples = [s for s in recording(100) if not 20 < (s.at - at(0)).total_seconds() <= 40]
    found = machine_energy(samples, at(0), at(100))
    assert found.total.value == pytest.approx(1600)
    assert found.total.quality == "estimated"
    assert found.total.reason == (
        "power is known for 80 % of the time; the rest is taken at its mean"
    )
    assert found.components["gpu"].measured_j == pytest.approx(14 * 80)


def test_with_less_than_half_there_is_no_figure():
    found = machine_energy(recording(40), at(0), at(100))
    assert found.total.value is None
    assert found.boundary == ""
    assert found.total.reason == (
        "power is known for 40 % of the time only, and a figure needs 50 %"
    )


def test_no_power_on_linux_is_told_with_the_machines_reason():
    samples = recording(60, PSUTIL, machine=LINUX)
    found = machine_energy(samples, at(0), at(60))
    assert found.total.value is None
    assert found.total.reason == "this machine does not report it"
    assert found.components["ane"].joules.reason == "not Apple Silicon"
    assert machine_energy([], at(0), at(60)).total.reason == "nothing was sampled at that time"


def test_a_cpu_that_tells_no_power_narrows_the_boundary():
    samples = recording(60, without(BUSY, "cpu_w", "ane_w"))
    found = machine_energy(samples, at(0), at(60))
    assert found.boundary == "gpu"
    assert found.total.value == pytest.approx(14 * 60)
    assert found.total.quality == "estimated"
    assert found.total.reason == "without the CPU: no provider reports it"


def test_idle_power_is_the_median_of_calm_time():
    busy, calm = recording(100), recording(120, IDLE, (), begin_s=100)
    found = idle_power([*busy, *calm], at(0), at(220))
    assert found.value == pytest.approx(0.32)
    assert found.quality == "measured"


@pytest.mark.parametrize(
    "samples",
    [
        recording(300),
        recording(40, IDLE, ()),  # too short
        recording(300, IDLE, (use("replica:x", cpu_s=0.0, gpu_s=0.0),)),  # something of ours
        recording(300, without(IDLE, "cpu_ratio"), ()),  # nobody says it was idle
    ],
)
def test_without_calm_time_there_is_no_idle_power(samples):
    found = idle_power(samples, at(0), at(300))
    assert found.value is None
    assert found.reason == "the machine was not idle for a minute in the hour looked at"


def test_idle_power_without_power_says_why():
    assert idle_power(recording(300, without(IDLE, "cpu_w"), ()), at(0), at(300)).reason == (
        "no provider reports it"
    )


def test_what_is_shorter_than_a_sample_gets_its_part_by_busy_time():
    found = allocate(32.0, {"request-1": 0.02, "request-2": 0.06})
    assert [figure.value for figure in found.values()] == pytest.approx([8.0, 24.0])
    assert {(f.quality, f.reason) for f in found.values()} == {
        ("estimated", "allocated by busy time")
    }
    assert allocate(32.0, {"a": 0.0})["a"].reason == "nothing was busy in the window"


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e3), min_size=1, max_size=20))
def test_allocated_parts_add_up_to_the_whole(whole, busy):
    parts = allocate(whole, {str(number): seconds for number, seconds in enumerate(busy)})
    values = [figure.value for figure in parts.values()]
    if sum(busy) > 0:
        assert sum(values) == pytest.approx(whole)
    else:
        assert set(values) == {None}


@given(
    st.lists(st.tuples(st.floats(0, 40), st.booleans()), min_size=1, max_size=30),
    st.floats(0.5, 59),
)
def test_energy_of_two_parts_is_that_of_the_whole(powers, cut):
    """What was measured in [0, c) and [c, end) adds up to what was measured in [0, end)."""
    samples = [
        sample(2 * (number + 1), {**BUSY, "gpu_w": watts})
        for number, (watts, kept) in enumerate(powers)
        if kept
    ]

    def joules(start, end):
        return machine_energy(samples, at(start), at(end)).components["gpu"].measured_j

    assert joules(0, cut) + joules(cut, 60) == pytest.approx(joules(0, 60))
