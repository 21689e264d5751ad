"""Recordings of each cause, of two at once and of none, replayed through the search for causes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engines.silicon.models import METRICS
from services.telemetry.diagnosis import CHECKS, Earlier, why_slow
from services.telemetry.speed import Point
from tests.services.telemetry.recordings import (
    BUSY,
    GB,
    LINUX,
    MAC,
    OTHER_RUN,
    PSUTIL,
    RUN,
    at,
    moved,
    recording,
    sample,
    use,
    without,
)

LENGTH = 600


def why(samples, *, machine=MAC, owner=RUN, meant_for_gpu=True, end=LENGTH, **given: Any):
    return why_slow(
        samples,
        at(0),
        at(end),
        machine=machine,
        owner=owner,
        meant_for_gpu=meant_for_gpu,
        **given,
    )


def after(seconds, **changed: float):
    """Undisturbed until then, changed from then on."""
    return lambda moment: BUSY if moment <= seconds else {**BUSY, **changed}


def steps(*rates: tuple[float, int]):
    """Points of a run: so many steps a second for so long each, one point a second."""
    points, step, moment = [Point(at(0), 0)], 0.0, 0
    for per_s, seconds in rates:
        for _ in range(seconds):
            moment += 1
            step += per_s
            points.append(Point(at(moment), int(step)))
    return points


HOT = recording(LENGTH, after(300, thermal_level=2, gpu_mhz=900.0, gpu_w=7.0))
COLD_BUT_SLOW = recording(LENGTH, after(300, gpu_mhz=1100.0))
SAVING = recording(LENGTH, {**BUSY, "low_power_mode": 1, "gpu_mhz": 720.0, "gpu_w": 5.0})
SWAPPING = recording(
    LENGTH, after(400, memory_pressure=2, swap_in_bytes_s=150e6, swap_used_bytes=8e9, gpu_ratio=0.4)
)
OVER_BUDGET = recording(LENGTH, after(300, memory_wired_bytes=26 * GB))
SHARED = recording(
    LENGTH,
    BUSY,
    lambda s: (use(RUN, gpu_s=1.1), use(OTHER_RUN, pid=101, gpu_s=0.8, project="clip-tuning")),
)
ON_CPU = recording(LENGTH, {**BUSY, "gpu_ratio": 0.01}, (use(gpu_s=0.0, cpu_s=2.2),))
ON_BATTERY = recording(LENGTH, {**BUSY, "on_battery": 1})
WAITING = recording(LENGTH, {**BUSY, "gpu_ratio": 0.45}, (use(gpu_s=0.89, cpu_s=2.6),))

REPLAYED = [
    ("thermal", HOT, "Throttled by heat for 50 % of the time"),
    ("thermal", COLD_BUT_SLOW, "The GPU’s clock fell by 20 % under load: likely heat"),
    (
        "low_power",
        SAVING,
        "Low Power Mode was on for 100 % of the time: it caps the clocks",
    ),
    ("memory", SWAPPING, "Short of memory for 33 % of the time"),
    ("wired", OVER_BUDGET, "Over the budget of GPU memory for 50 % of the time"),
    (
        "contention",
        SHARED,
        "run:bbbb (clip-tuning) used the GPU at the same time: 42 % of it for 100 % of the time",
    ),
    (
        "cpu_fallback",
        ON_CPU,
        "The run computed on the CPU for 100 % of the time, though it was meant for the GPU",
    ),
    ("battery", ON_BATTERY, "On battery for 100 % of the time: seldom a cause by itself"),
    (
        "gpu_gaps",
        WAITING,
        "The GPU waited for 55 % of the time, while the CPU worked: loading or preparing data, "
        "or Python between steps",
    ),
]


@pytest.mark.parametrize(("kind", "samples", "title"), REPLAYED, ids=[r[2][:30] for r in REPLAYED])
def test_each_cause_is_found_alone_with_its_evidence(kind, samples, title):
    found = why(samples)
    assert [(cause.kind, cause.title) for cause in found.causes] == [(kind, title)]
    cause = found.causes[0]
    assert cause.suggestion
    assert 0 < cause.lost < 1
    assert cause.lost_quality == "estimated"
    first = cause.evidence[0]
    assert first.bound is not None
    assert at(0) <= first.start < first.end <= at(LENGTH)
    assert first.said.endswith(".")
    assert found.unknown == ()
    assert set(found.clear) == set(CHECKS) - {kind}
    assert found.summary.startswith(title)


def test_the_evidence_names_metric_value_unit_bound_and_interval():
    cause = why(HOT).causes[0]
    level, clock = cause.evidence
    assert (level.metric, level.value, level.unit, level.bound) == ("thermal_level", 2, "level", 1)
    assert (level.start, level.end) == (at(300), at(600))
    assert level.said == "The thermal level was 1 or more for 50 % of the time, at most 2 of 4."
    assert (clock.metric, clock.value, clock.unit, clock.bound) == ("gpu_mhz", 900, "MHz", 1375)
    assert (cause.start, cause.end) == (at(300), at(600))
    swap = why(SWAPPING).causes[0].evidence
    assert [one.metric for one in swap] == ["memory_pressure", "swap_in_bytes_s", "gpu_ratio"]


def test_an_undisturbed_run_has_no_cause_and_all_was_checked():
    found = why(recording(LENGTH))
    assert (found.causes, found.unknown) == ((), ())
    assert set(found.clear) == set(CHECKS)
    assert found.summary == "Nothing of the machine was found to slow it down."


def test_two_causes_at_once_are_both_told_the_heavier_first():
    state = after(300, thermal_level=1, memory_pressure=4, swap_in_bytes_s=9e8, gpu_ratio=0.1)
    found = why(recording(LENGTH, state, lambda s: (use(gpu_s=1.92 if s <= 300 else 0.2),)))
    assert [cause.kind for cause in found.causes] == ["memory", "thermal"]
    assert found.causes[0].lost > found.causes[1].lost
    assert "Also: throttling by heat." in found.summary


def test_low_power_mode_on_battery_outweighs_the_battery():
    state = {**BUSY, "low_power_mode": 1, "on_battery": 1}
    assert [c.kind for c in why(recording(LENGTH, state)).causes] == ["low_power", "battery"]


def test_linux_with_nothing_but_psutil_says_what_cannot_be_told():
    samples = recording(LENGTH, PSUTIL, (use(gpu_s=None, cpu_s=3.7),), machine=LINUX)
    found = why(samples, machine=LINUX, meant_for_gpu=False)
    assert found.causes == ()
    assert {one.kind: one.reason for one in found.unknown} == {
        "thermal": "Thermal level: not Apple Silicon",
        "low_power": "Low Power Mode: not Apple Silicon",
        "wired": "not Apple Silicon",
    }
    assert set(found.clear) == {"memory", "contention", "cpu_fallback", "gpu_gaps", "battery"}
    assert found.summary == (
        "Nothing of the machine was found to slow it down. Cannot be told: throttling by heat, "
        "Low Power Mode, the budget of GPU memory."
    )


def test_linux_where_nobody_said_what_the_run_was_meant_for_knows_less():
    samples = recording(LENGTH, PSUTIL, (use(gpu_s=None, cpu_s=3.7),), machine=LINUX)
    found = why(samples, machine=LINUX, meant_for_gpu=None)
    reasons = {one.kind: one.reason for one in found.unknown}
    assert reasons["cpu_fallback"] == "GPU: no NVIDIA GPU here"
    assert "contention" in found.clear  # there is no GPU to contend for
    assert found.causes == ()


def test_linux_finds_a_crowded_cpu_and_swapping_too():
    crowd = (use(gpu_s=None, cpu_s=1.9), use("", pid=9, name="stress", gpu_s=None, cpu_s=1.9))
    samples = recording(LENGTH, PSUTIL, crowd, machine=LINUX)
    found = why(samples, machine=LINUX, meant_for_gpu=False)
    assert [c.title for c in found.causes] == [
        "stress used the CPU at the same time: 47 % of it for 100 % of the time"
    ]
    swapping = recording(
        LENGTH, {**PSUTIL, "swap_in_bytes_s": 5e7}, (use(cpu_s=3.7),), machine=LINUX
    )
    causes = why(swapping, machine=LINUX, meant_for_gpu=False).causes
    assert [c.kind for c in causes] == ["memory"]


def test_nothing_sampled_is_no_all_clear():
    found = why([])
    assert (found.causes, found.clear) == ((), ())
    assert {one.reason for one in found.unknown} == {"nothing was sampled at that time"}
    assert found.summary == ("Nothing can be told: no sample of the machine is kept of that time.")


def test_a_machine_that_reports_nothing_at_all():
    found = why(recording(LENGTH, {}, ()), owner="", machine=None)
    assert (found.causes, found.clear) == ((), ())
    assert found.summary.startswith("Nothing can be told: the machine reports none")


@pytest.mark.parametrize(
    ("metric", "kinds"),
    [
        ("thermal_level", {"thermal"}),
        ("low_power_mode", {"low_power"}),
        ("memory_pressure", {"memory"}),
        ("swap_in_bytes_s", {"memory"}),
        ("on_battery", {"battery"}),
        ("gpu_ratio", {"contention", "cpu_fallback", "gpu_gaps"}),
    ],
)
def test_a_figure_that_is_missing_is_never_taken_as_fine(metric, kinds):
    found = why(recording(LENGTH, without(BUSY, metric)))
    assert {one.kind for one in found.unknown} == kinds
    assert not kinds & set(found.clear)
    assert all("no provider reports it" in one.reason for one in found.unknown)


def test_a_figure_known_for_too_little_of_the_time_is_not_enough_to_clear():
    samples = recording(LENGTH, lambda s: BUSY if s <= 200 else without(BUSY, "thermal_level"))
    (unknown,) = why(samples).unknown
    assert unknown.reason == "Thermal level: known for too little of the time"
    # But what was seen was seen.
    hot = recording(LENGTH, lambda s: {**BUSY, "thermal_level": 3 if s <= 200 else None})
    assert why(hot).causes[0].kind == "thermal"


def test_half_of_the_time_without_samples_is_not_cleared():
    found = why(recording(250))
    assert found.clear == ()
    assert len(found.unknown) == len(CHECKS)
    assert found.summary == (
        "Only 42 % of that time was sampled. Nothing can be told: that is too little."
    )
    assert found.coverage == pytest.approx(250 / 600)


def test_a_moment_of_heat_is_no_cause():
    assert why(recording(LENGTH, after(580, thermal_level=1))).causes == ()


def test_wired_budget_by_what_mlx_holds():
    held = (use(mlx_active_bytes=15 * GB), use("replica:x", pid=5, mlx_active_bytes=11 * GB,
                                               gpu_s=0.0, cpu_s=0.0))  # fmt: skip
    found = why(recording(LENGTH, BUSY, held))
    assert [c.kind for c in found.causes] == ["wired"]
    assert found.causes[0].evidence[0].value == 26 * GB
    unknown = why(recording(LENGTH), machine=replace(MAC, recommended_working_set_bytes=None))
    assert [one.kind for one in unknown.unknown] == ["wired"]


def test_a_wired_budget_that_somebody_set_while_the_machine_was_up_is_the_one_that_counts():
    state = {**BUSY, "memory_wired_bytes": 18 * GB}
    assert why(recording(LENGTH, state)).causes == ()
    (cause,) = why(recording(LENGTH, {**state, "gpu_wired_limit_bytes": 19 * GB})).causes
    assert cause.kind == "wired"
    assert cause.evidence[0].bound == pytest.approx(0.9 * 19 * GB)


def test_others_that_are_listed_only_now_and_then_are_still_named():
    """Processes that belong to nobody are looked at every fifth sample, and the busiest told."""

    def who(moment):
        listed = (
            (use("", pid=77, name="Blender", gpu_s=0.7, cpu_s=0.2),) if moment % 10 == 0 else ()
        )
        return (use(RUN, gpu_s=1.2), *listed)

    (cause,) = why(recording(LENGTH, BUSY, who)).causes
    assert cause.title == (
        "Blender used the GPU at the same time: 37 % of it for 100 % of the time"
    )
    nobody = recording(LENGTH, BUSY, (use(RUN, gpu_s=1.2),))
    assert why(nobody).causes[0].title.startswith("Others, which were not listed, used the GPU")


def test_a_run_of_which_no_process_was_seen_is_not_told_from_others():
    found = why(recording(LENGTH, BUSY, ()))
    reasons = {one.kind: one.reason for one in found.unknown}
    assert reasons["contention"] == "none of its processes was seen, so others are not told from it"
    assert reasons["cpu_fallback"] == "how much CPU its processes used is not told"


def test_a_run_meant_for_the_cpu_is_no_fallback_and_no_gap():
    assert why(ON_CPU, meant_for_gpu=False).causes == ()


def test_the_machine_as_a_whole_tells_who_shares_it():
    found = why(SHARED, owner="", meant_for_gpu=None)
    (cause,) = found.causes
    assert cause.title.startswith("run:aaaa (lora-finetuning) and run:bbbb (clip-tuning) used")
    assert why(recording(LENGTH), owner="", meant_for_gpu=None).causes == ()


def test_the_runs_own_steps_tell_what_was_lost():
    found = why(HOT, points=steps((10, 300), (6, 300)))
    (cause,) = found.causes
    assert cause.lost_quality == "measured"
    assert cause.lost == pytest.approx(0.2, abs=0.01)
    assert found.slowdown.lost == pytest.approx(0.4, abs=0.01)
    assert found.summary == (
        "Throttled by heat for 50 % of the time (20 % of the speed). "
        "Its steps meanwhile ran 40 % slower than when nothing disturbed it (6, not 10/s)."
    )


def test_steps_that_were_no_slower_take_the_weight_from_a_cause():
    state = lambda s: {**BUSY, "thermal_level": 1 if 200 < s <= 400 else 0,  # noqa: E731
                       "memory_pressure": 2 if s > 400 else 1}  # fmt: skip
    found = why(recording(LENGTH, state), points=steps((10, 400), (5, 200)))
    assert [(c.kind, round(c.lost, 2)) for c in found.causes] == [("memory", 0.17), ("thermal", 0)]


def test_an_earlier_undisturbed_run_is_the_reference_where_all_was_disturbed():
    before = Earlier(
        "run 7", moved(recording(LENGTH), -1000), at(-1000), at(-400),
        tuple(replace(p, at=p.at - (at(1000) - at(0))) for p in steps((10, 600))),
    )  # fmt: skip
    found = why(SAVING, points=steps((6, 600)), earlier=before)
    assert found.slowdown.reference == "in run 7"
    assert found.causes[0].lost == pytest.approx(0.4, abs=0.01)
    disturbed = replace(before, samples=moved(SAVING, -1000))
    assert why(SAVING, points=steps((6, 600)), earlier=disturbed).slowdown is None
    assert why(SAVING, points=steps((6, 600))).slowdown is None


def test_a_run_that_slows_down_by_itself_is_told_so():
    found = why(recording(LENGTH), points=steps((10, 300), (5, 300)))
    assert found.causes == ()
    assert "Its steps in the second half ran 50 % slower than in its first half" in found.summary
    assert why(recording(LENGTH), points=steps((10, 600))).slowdown is None


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_samples_come_changes_nothing(random):
    samples = list(SHARED[:60]) + list(HOT[-60:])
    first = why(samples)
    random.shuffle(samples)
    assert why(samples) == first


_values = st.none() | st.sampled_from([0.0, 0.5, 1.0, 4.0, 1e12, -1.0])
_state = st.dictionaries(st.sampled_from(sorted(METRICS)), _values, max_size=12)


@given(
    st.lists(st.tuples(_state, st.booleans()), max_size=15),
    st.sampled_from([MAC, LINUX, None]),
    st.sampled_from([RUN, OTHER_RUN, ""]),
    st.sampled_from([True, False, None]),
)
def test_whatever_a_machine_says_every_check_answers_once(states, machine, owner, meant):
    samples = [
        sample(2 * (number + 1), {**BUSY, **state} if whole else state, use())
        for number, (state, whole) in enumerate(states)
    ]
    found = why(samples, machine=machine, owner=owner, meant_for_gpu=meant, end=40)
    told = [c.kind for c in found.causes] + [u.kind for u in found.unknown] + list(found.clear)
    assert len(set(told)) == len(told)
    assert set(told) | {"gpu_gaps"} == set(CHECKS)
    assert found.summary


def test_low_power_mode_caps_clocks_and_that_is_no_heat():
    found = why(recording(LENGTH, after(300, low_power_mode=1, gpu_mhz=720.0)))
    assert [cause.kind for cause in found.causes] == ["low_power"]


def test_others_on_a_cpu_with_cores_left_over_take_nothing_from_a_run():
    beside = (use(gpu_s=None, cpu_s=0.8), use("", pid=9, name="stress", gpu_s=None, cpu_s=1.6))
    samples = recording(LENGTH, {**PSUTIL, "cpu_ratio": 0.6}, beside, machine=LINUX)
    assert why(samples, machine=LINUX, meant_for_gpu=False).causes == ()


def test_a_machine_whose_cpu_two_share_is_told_with_both():
    crowd = (use(gpu_s=None, cpu_s=1.9), use(OTHER_RUN, pid=9, gpu_s=None, cpu_s=1.8))
    samples = recording(LENGTH, PSUTIL, crowd, machine=LINUX)
    (cause,) = why(samples, machine=LINUX, owner="", meant_for_gpu=None).causes
    assert cause.title.startswith("run:aaaa (lora-finetuning) and run:bbbb (lora-finetuning) used")
    alone = recording(LENGTH, PSUTIL, (use(gpu_s=None, cpu_s=3.7),), machine=LINUX)
    assert why(alone, machine=LINUX, owner="", meant_for_gpu=None).causes == ()
