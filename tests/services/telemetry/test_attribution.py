"""Who used a machine, and that nothing is charged twice or lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.attribution import attribute
from services.telemetry.shares import OTHERS
from tests.services.telemetry.recordings import (
    BUSY,
    IDLE,
    LINUX,
    MAC,
    OTHER_RUN,
    PSUTIL,
    RUN,
    at,
    recording,
    sample,
    use,
    without,
)


def test_a_run_that_had_the_gpu_alone_is_charged_with_measured_energy():
    # 0.12 × 12 cores × 2 s = 2.88 s of CPU, of which the run had 2.4.
    found = attribute(recording(60), at(0), at(60), MAC)
    own = found.of(RUN)
    assert own.components["gpu"].seconds == pytest.approx(0.96 * 60)
    assert own.components["gpu"].joules.value == pytest.approx(14 * 60 * 0.96 / 0.97)
    assert own.components["gpu"].joules.quality == "measured"
    cpu = own.components["cpu"]
    assert cpu.joules.value == pytest.approx(2 * 60 * 2.4 / 2.88)
    assert (cpu.joules.quality, cpu.joules.reason) == ("estimated", "allocated by busy time")
    assert own.energy.quality == "measured"  # the CPU is a trifle beside the GPU
    assert own.project == "lora-finetuning"
    others = found.of(OTHERS)
    assert others.components["cpu"].seconds == pytest.approx(0.48 * 30)
    assert found.rest == ()
    assert found.coverage == 1


def test_two_runs_at_once_share_by_busy_time_and_it_is_said():
    both = (use(RUN, gpu_s=1.2), use(OTHER_RUN, pid=101, gpu_s=0.6, project="clip"))
    found = attribute(recording(60, {**BUSY, "gpu_ratio": 0.9}, both), at(0), at(60), MAC)
    one, two = found.of(RUN), found.of(OTHER_RUN)
    assert one.components["gpu"].joules.value == pytest.approx(14 * 60 * 2 / 3)
    assert two.components["gpu"].joules.value == pytest.approx(14 * 60 / 3)
    assert (one.energy.quality, one.energy.reason) == ("estimated", "allocated by busy time")
    assert found.by_project()["clip"].value == pytest.approx(two.energy.value)
    assert [share.owner for share in found.shares] == [RUN, OTHER_RUN, OTHERS]


def test_one_after_the_other_each_is_measured():
    samples = [*recording(60), *recording(60, processes=(use(OTHER_RUN),), begin_s=60)]
    found = attribute(samples, at(0), at(120), MAC)
    gpu = [found.of(owner).components["gpu"].joules for owner in (RUN, OTHER_RUN)]
    assert gpu[0] == gpu[1]
    assert gpu[0].quality == "measured"


def test_children_of_a_run_belong_to_it_and_their_memory_adds_up():
    family = (use(memory_bytes=100), use(pid=101, memory_bytes=20, mlx_peak_bytes=None, cpu_s=0.0))
    own = attribute(recording(10, BUSY, family), at(0), at(10), MAC).of(RUN)
    assert own.peak_memory_bytes == 120
    assert own.components["cpu"].seconds == pytest.approx(2.4 * 5)


def test_no_power_on_linux_leaves_times_and_says_why_there_are_no_joules():
    samples = recording(60, PSUTIL, (use(gpu_s=None, cpu_s=3.6),), machine=LINUX)
    found = attribute(samples, at(0), at(60), LINUX)
    own = found.of(RUN)
    assert own.components["cpu"].seconds == pytest.approx(108)
    assert own.energy.value is None
    assert own.energy.reason == "no power of the CPU: this machine does not report it"
    assert found.totals["cpu"].reason == "this machine does not report it"
    assert own.components["gpu"].seconds is None  # not 0: nobody told


def test_a_process_without_the_gpu_used_none_of_it_where_the_gpu_tells():
    both = (use(RUN), use("engine:mlflow", pid=7, gpu_s=None, cpu_s=0.1))
    found = attribute(recording(10, BUSY, both), at(0), at(10), MAC)
    assert found.of("engine:mlflow").components["gpu"].seconds == 0
    assert found.of("engine:mlflow").components["gpu"].joules.value == 0


def test_the_first_look_at_a_process_tells_no_use_and_nobody_else_is_charged_with_it():
    first = sample(2, BUSY, use(cpu_s=None, gpu_s=None))
    found = attribute([first, *recording(8, begin_s=2)], at(0), at(10), MAC)
    own = found.of(RUN)
    assert own.components["gpu"].told_s == 8
    assert {(r.component, r.reason): pytest.approx(r.joules) for r in found.rest} == {
        ("cpu", "the use of some processes is not told"): 4.0,
        ("gpu", "the use of some processes is not told"): 28.0,
    }


def test_an_idle_gpu_is_charged_to_nobody():
    state = {**IDLE, "gpu_ratio": 0.0}
    found = attribute(recording(10, state, (use(gpu_s=0.0, cpu_s=0.0),)), at(0), at(10), MAC)
    assert [(r.component, r.reason) for r in found.rest] == [("gpu", "nothing was busy on it")]
    assert found.of(RUN).components["gpu"].joules.value == 0


def test_the_neural_engine_goes_to_who_had_all_the_rest_and_else_to_nobody():
    state = {**BUSY, "ane_w": 3.0, "cpu_w": 0.2}
    alone = attribute(recording(10, state), at(0), at(10), MAC)
    assert alone.of(RUN).components["ane"].joules.value == pytest.approx(30)
    both = (use(RUN, gpu_s=1.0), use(OTHER_RUN, pid=101, gpu_s=0.9))
    shared = attribute(recording(10, state, both), at(0), at(10), MAC)
    assert shared.of(RUN).components["ane"].joules.value is None
    assert [(r.component, r.joules, r.reason) for r in shared.rest] == [
        ("ane", pytest.approx(30), "the use of the Neural Engine cannot be read")
    ]


def test_without_the_machines_busy_time_a_sole_owner_is_an_estimate():
    """Somebody may have used it who is not listed: it cannot be said that nobody did."""
    samples = recording(60, without(BUSY, "gpu_ratio"))
    own = attribute(samples, at(0), at(60), MAC).of(RUN)
    assert own.components["gpu"].joules.value == pytest.approx(14 * 60)
    assert own.components["gpu"].joules.quality == "estimated"
    assert own.energy.quality == "estimated"


def test_an_empty_interval_of_an_unknown_machine():
    found = attribute([], at(0), at(60))
    assert (found.shares, found.rest, found.coverage) == ((), (), 0)
    assert found.totals["cpu"].reason == "nothing was sampled at that time"


_process = st.builds(
    use,
    st.sampled_from(["", RUN, OTHER_RUN, "engine:mlflow", "replica:x"]),
    pid=st.integers(1, 9),
    cpu_s=st.none() | st.floats(0, 30),
    gpu_s=st.none() | st.floats(0, 4),
)
_ratio = st.none() | st.floats(0, 1)
_watts = st.none() | st.floats(0, 60)
_state = st.fixed_dictionaries(
    {"cpu_ratio": _ratio, "gpu_ratio": _ratio, "cpu_w": _watts, "gpu_w": _watts, "ane_w": _watts}
)


@given(
    st.lists(st.tuples(_state, st.lists(_process, max_size=6), st.booleans()), max_size=12),
    st.floats(0, 20),
    st.floats(1, 30),
    st.sampled_from([MAC, LINUX, None]),
)
def test_what_is_shared_out_adds_up_to_what_was_measured(windows, begin, length, machine):
    samples = [
        sample(2 * (number + 1), state, *processes)
        for number, (state, processes, kept) in enumerate(windows)
        if kept
    ]
    found = attribute(samples, at(begin), at(begin + length), machine)
    for component in ("cpu", "gpu", "ane"):
        charged = [
            one.components[component].joules.value or 0.0
            for one in found.shares
            if component in one.components
        ]
        assert all(part >= 0 for part in charged)
        left = [rest.joules for rest in found.rest if rest.component == component]
        total = found.totals[component].value or 0.0
        assert sum(charged) + sum(left) == pytest.approx(total, abs=1e-9)
    by_project = [figure.value or 0.0 for figure in found.by_project().values()]
    assert sum(by_project) == pytest.approx(sum(one.energy.value or 0.0 for one in found.shares))


def test_an_interval_takes_its_part_of_the_windows_it_cuts():
    gpu = attribute(recording(10), at(3), at(7), MAC).of(RUN).components["gpu"]
    assert gpu.seconds == pytest.approx(0.96 * 4)
    assert gpu.joules.value == pytest.approx(14 * 4 * 0.96 / 0.97)
