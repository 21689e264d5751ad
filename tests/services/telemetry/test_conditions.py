"""What runs ran under, and when they cannot be compared for it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.comparable import differences
from services.telemetry.conditions import Conditions, Neighbour, conditions, from_json
from tests.services.telemetry.recordings import (
    BUSY,
    HOST,
    LINUX,
    MAC,
    OTHER_RUN,
    PSUTIL,
    RUN,
    at,
    recording,
    use,
)


def of(samples, seconds=100, machine=MAC, owner=RUN, meant_for_gpu=True):
    return conditions(
        samples,
        at(0),
        at(seconds),
        host=HOST,
        owner=owner,
        machine=machine,
        meant_for_gpu=meant_for_gpu,
    )


calm = of(recording(100))


def test_an_undisturbed_run_on_a_mac():
    assert calm == Conditions(
        host=HOST,
        seconds=100,
        coverage=1,
        chip="Apple M3 Pro",
        gpu_cores=18,
        thermal_max=0,
        thermal_mean=0,
        thermal_s={"0": 100},
        low_power=0,
        battery=0,
        pressure=0,
        pressure_max=1,
        swap_in_bytes=0,
        fallback=False,
        neighbours=(Neighbour("", pytest.approx(0.02), pytest.approx(0.01)),),
    )
    assert calm.throttled == 0


def test_a_run_that_heated_up():
    found = of(recording(100, lambda s: {**BUSY, "thermal_level": 0 if s <= 60 else 2}))
    assert (found.thermal_max, found.thermal_mean) == (2, pytest.approx(0.8))
    assert found.thermal_s == {"0": pytest.approx(60), "2": pytest.approx(40)}
    assert found.throttled == pytest.approx(0.4)


def test_who_used_the_machine_beside_is_named_most_first():
    both = (use(RUN, gpu_s=1.0), use(OTHER_RUN, pid=2, gpu_s=0.8, cpu_s=1.2))
    found = of(recording(100, BUSY, both))
    assert found.neighbours[0] == Neighbour(OTHER_RUN, pytest.approx(0.05), pytest.approx(0.4))
    assert found.beside("gpu") == pytest.approx(0.47)


def test_a_run_on_the_cpu_though_meant_for_the_gpu():
    samples = recording(100, {**BUSY, "gpu_ratio": 0.01}, (use(gpu_s=0.0, cpu_s=2.0),))
    assert of(samples).fallback is True
    assert of(samples, meant_for_gpu=False).fallback is False
    assert of(samples, meant_for_gpu=None).fallback is None


def test_linux_knows_little_and_says_none():
    found = of(recording(100, PSUTIL, (use(gpu_s=None),), machine=LINUX), machine=LINUX)
    assert (found.thermal_max, found.throttled, found.low_power, found.battery) == (None,) * 4
    assert (found.pressure, found.fallback, found.swap_in_bytes) == (None, None, 0)


def test_nothing_sampled_is_nothing_known():
    found = of([])
    assert found == Conditions(HOST, 100, 0, chip="Apple M3 Pro", gpu_cores=18)
    assert found.beside("gpu") is None


def test_json_is_small_and_comes_back():
    text = of(recording(100, lambda s: {**BUSY, "thermal_level": s // 40})).to_json()
    assert len(text) < 400
    assert from_json(text).to_json() == text
    assert from_json(text).thermal_s == {"0": 38, "1": 40, "2": 22}


_ratio = st.none() | st.floats(0, 1)


@given(
    st.builds(
        Conditions,
        host=st.text(max_size=20),
        seconds=st.floats(0, 1e7),
        coverage=st.floats(0, 1),
        chip=st.none() | st.text(max_size=20),
        thermal_max=st.none() | st.integers(0, 4),
        thermal_mean=_ratio,
        thermal_s=st.none() | st.dictionaries(st.sampled_from("01234"), st.floats(0, 1e6)),
        low_power=_ratio,
        swap_in_bytes=st.none() | st.floats(0, 1e15),
        fallback=st.none() | st.booleans(),
        neighbours=st.none()
        | st.lists(st.builds(Neighbour, st.text(max_size=9), _ratio, _ratio), max_size=3).map(
            tuple
        ),
    )
)
def test_json_round_trip(made):
    once = from_json(made.to_json())
    assert once is not None
    assert from_json(once.to_json()) == once
    for name in ("host", "chip", "thermal_max", "fallback"):
        assert getattr(once, name) == getattr(made, name)
    assert once.coverage == pytest.approx(made.coverage, rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"v":2,"host":"a","seconds":1,"coverage":1}',
        '{"v":1,"host":"a","seconds":1}',
        '{"v":1,"host":"a","seconds":NaN,"coverage":1}',
        '{"v":1,"host":"a","seconds":true,"coverage":1}',
        '{"v":1,"host":"a","seconds":1,"coverage":1,"thermal_s":{"0":"x"}}',
        '{"v":1,"host":"a","seconds":1,"coverage":1,"neighbours":[1]}',
        '{"v":1,"host":"a","seconds":1,"coverage":1,"fallback":1}',
        "[" * 100_000,
    ],
)
def test_a_tag_that_is_none_of_ours_is_not_known(text):
    assert from_json(text) is None


def test_what_a_later_version_adds_is_left_alone():
    said = json.loads(calm.to_json()) | {"ambient_c": 21}
    assert from_json(json.dumps(said)) == from_json(calm.to_json())


CASES = [
    (
        {"thermal_s": {"0": 60.0, "2": 40.0}, "thermal_mean": 0.8},
        "B was throttled (thermal level 1 or more) for 40 % of its time, A for 0 %.",
    ),
    ({"low_power": 1.0}, "B was in Low Power Mode for 100 % of its time, A for 0 %."),
    (
        {"pressure": 0.2},
        "B was short of memory (pressure 2 or more) for 20 % of its time, A for 0 %.",
    ),
    ({"battery": 1.0}, "B was on battery for 100 % of its time, A for 0 %."),
    ({"swap_in_bytes": 3e9}, "B read 30 MB/s back from swap, A 0 MB/s."),
    ({"fallback": True}, "B computed on the CPU though it was meant for the GPU; A did not."),
    ({"chip": "Apple M1"}, "They ran on different chips: A on Apple M3 Pro, B on Apple M1."),
    ({"gpu_cores": 14}, "Their GPUs differ: A had 18 cores, B 14."),
    (
        {"neighbours": (Neighbour("engine:mlflow", 0.0, 0.3),)},
        "Beside B, engine:mlflow had 30 % of the GPU; beside A it was 1 %.",
    ),
    (
        {"neighbours": (Neighbour("", 0.4, 0.01),)},
        "Beside B, others had 40 % of the CPU; beside A it was 2 %.",
    ),
    ({"coverage": 0.3}, "Only 30 % of B was sampled: most of what it ran under is not known."),
    (
        {"thermal_s": None, "fallback": None},
        "Not known of B, so it may differ: thermal level, whether it computed on the GPU.",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), CASES, ids=[next(iter(c)) for c, _ in CASES])
def test_each_difference_is_one_sentence(change, sentence):
    assert differences(calm, replace(calm, **change)) == (sentence,)


@pytest.mark.parametrize(
    "change",
    [
        {"thermal_s": {"0": 95.0, "1": 5.0}, "thermal_mean": 0.05},
        {"low_power": 0.05},
        {"pressure": 0.02},
        {"battery": 0.3},
        {"swap_in_bytes": 2e8},
        {"neighbours": ()},
        {"neighbours": (Neighbour("engine:mlflow", 0.15, 0.04),)},
        {"host": "another-one"},
        {"seconds": 500.0},
        {"coverage": 0.9},
    ],
)
def test_trifles_are_no_difference(change):
    assert differences(calm, replace(calm, **change)) == ()


def test_both_hot_but_one_hotter():
    warm = replace(calm, thermal_s={"1": 100.0}, thermal_mean=1.0)
    hot = replace(calm, thermal_s={"3": 100.0}, thermal_mean=3.0)
    assert differences(warm, hot, ("first", "second")) == (
        "The mean thermal level of first was 1.0, that of second 3.0.",
    )


def test_two_runs_on_linux_of_which_the_same_is_unknown_do_not_differ():
    found = of(recording(100, PSUTIL, (use(gpu_s=None),), machine=LINUX), machine=LINUX)
    assert differences(found, found) == ()


def test_unknown_conditions_are_never_taken_as_the_same():
    assert differences(calm, None) == ("What B ran under is not known, so it may differ.",)
    assert differences(None, calm, ("x", "y"))[0].startswith("What x ran under is not known")
    assert differences(None, None) == ()


def test_of_a_machine_as_a_whole_everybody_is_named():
    assert [one.who for one in of(recording(100), owner="").neighbours] == [RUN, ""]
