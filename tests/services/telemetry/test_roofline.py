"""How near a run came to its chip's limits, where it logged enough to say."""

import pytest

from services.mirror.models import Curve
from services.telemetry.roofline import Limits, decoding, limits_of, mean_speeds, roofline
from tests.services.telemetry.recordings import at

M3_PRO = Limits("Apple M3 Pro", 150e9, 6.36e12)


def test_a_run_that_reads_weights_for_every_token_is_limited_by_bandwidth():
    # 4 GB of weights at 30 tokens/s are 120 of 150 GB/s; 2 operations a weight of 2 bytes.
    logged = {"tokens_per_s": 30, "weight_bytes": 4e9, "batch_size": 1, "flops_per_token": "4e9"}
    found = roofline(logged, M3_PRO)
    assert found.bytes_s.value == pytest.approx(120e9)
    assert found.bytes_s.reason == "every token reads all weights once: a lower bound"
    assert found.bandwidth_ratio.value == pytest.approx(0.8)
    assert found.flops_ratio.value == pytest.approx(0.12e12 / 6.36e12)
    assert found.intensity.value == pytest.approx(1.0)
    assert found.attainable_flops.value == pytest.approx(150e9)
    assert found.limit == "bandwidth"
    assert found.said == (
        "It reached 80 % of the memory bandwidth (150 GB/s) and 2 % of the arithmetic "
        "(6.4 TFLOPS fp32) of the Apple M3 Pro: reading memory is what limits it; smaller weights "
        "make it faster."
    )
    assert found.bandwidth_ratio.quality == "estimated"


def test_a_training_step_that_computes_is_limited_by_arithmetic():
    logged = {"step_time_ms": 100.0, "flops_per_step": 5e11, "bytes_per_step": 2e9}
    found = roofline(logged, M3_PRO)
    assert found.flops.value == pytest.approx(5e12)
    assert found.bandwidth_ratio.value == pytest.approx(20 / 150)
    assert found.intensity.value == pytest.approx(250)
    assert found.attainable_flops.value == pytest.approx(6.36e12)
    assert found.limit == "compute"


def test_a_run_far_from_both_waits_for_something_else():
    logged = {"samples_per_s": 10, "flops_per_sample": 1e10, "bytes_per_sample": 1e9}
    found = roofline(logged, M3_PRO)
    assert found.limit is None
    assert found.said.endswith("neither limits it; look for waiting between steps.")


def test_with_one_of_both_figures_the_other_is_said_to_be_missing():
    found = roofline({"samples_per_s": 10, "flops_per_sample": 1e10}, M3_PRO)
    assert found.bandwidth_ratio.value is None
    assert found.bandwidth_ratio.reason == "it did not log bytes_per_sample"
    assert found.intensity.value is None
    assert found.said.endswith("of the Apple M3 Pro; the other limit is not known.")


def test_more_than_the_chip_can_do_is_told_with_what_it_may_be():
    found = roofline({"step_time_ms": 10, "flops_per_step": 1e11}, M3_PRO)
    assert found.flops_ratio.value > 1
    assert found.flops_ratio.reason == (
        "more than the chip can do: it computes in less than fp32, or logs too much"
    )


@pytest.mark.parametrize(
    ("logged", "reason"),
    [
        ({}, "it logged neither tokens_per_s, samples_per_s nor step_time_ms"),
        ({"step_time_ms": 20.0}, "it did not log flops_per_step"),
        ({"step_time_ms": 0.0}, "it logged neither tokens_per_s, samples_per_s nor step_time_ms"),
        (
            {"step_time_ms": "fast"},
            "it logged neither tokens_per_s, samples_per_s nor step_time_ms",
        ),
        (
            {"tokens_per_s": 3, "step_time_ms": float("nan"), "flops_per_step": 1e9},
            "it did not log flops_per_token",
        ),
    ],
)
def test_without_the_runs_own_figures_there_is_no_guess(logged, reason):
    found = roofline(logged, M3_PRO)
    assert found.flops.reason == reason
    assert found.flops_ratio.value is None
    assert found.said.startswith("Not known: ")


def test_weights_tell_no_traffic_of_a_batch():
    found = roofline({"tokens_per_s": 30, "weight_bytes": 4e9, "batch_size": 8}, M3_PRO)
    assert found.bytes_s.value is None
    assert "batch_size 1" in found.bytes_s.reason


@pytest.mark.parametrize(
    ("limits", "on_gpu", "reason"),
    [
        (None, True, "the chip is not in the table of Apple’s chips"),
        (M3_PRO, False, "it computed on the CPU, and the limits are those of the GPU"),
    ],
)
def test_without_limits_it_is_unavailable_with_the_reason(limits, on_gpu, reason):
    found = roofline({"step_time_ms": 10, "flops_per_step": 1e11}, limits, on_gpu=on_gpu)
    assert found.flops.value == pytest.approx(1e13)  # what it did is known all the same
    assert found.flops_ratio.reason == reason
    assert found.said == f"Not known: {reason}."


def test_a_chip_whose_bandwidth_is_not_known_has_the_other_limit():
    half = Limits("Apple M3 Max", None, 14.13e12)
    found = roofline({"step_time_ms": 10, "flops_per_step": 1e11, "bytes_per_step": 1e8}, half)
    assert found.flops_ratio.value == pytest.approx(10 / 14.13)
    assert found.bandwidth_ratio.reason == "the bandwidth of Apple M3 Max depends on its GPU"
    assert found.attainable_flops.value is None


def test_the_limits_of_a_chip_come_from_our_table():
    assert limits_of("Apple M3 Max", 40) == Limits(
        "Apple M3 Max", 400e9, pytest.approx(14.13e12, rel=1e-3)
    )
    assert limits_of("Apple M3 Max", None) == Limits("Apple M3 Max", None, None)
    assert limits_of("AMD EPYC 7763", 40) is None
    assert limits_of(None, None) is None


def curve(key: str, *values: float) -> Curve:
    steps = tuple(range(len(values)))
    return Curve("r", key, steps, values, tuple(map(at, steps)), len(values), 0)


def test_the_mean_speed_is_all_work_by_all_time():
    # 100 tokens in 1 s and 100 in 4 s are 200 in 5 s: 40 a second, not 62.5.
    found = mean_speeds(
        [
            curve("tokens_per_s", 100, 25),
            curve("step_time_ms", 1000, 4000),
            curve("samples_per_s", float("nan"), 0.0, -1.0),
            curve("loss", 1, 2),
        ]
    )
    assert found == {"tokens_per_s": pytest.approx(40), "step_time_ms": pytest.approx(2500)}


def test_generating_is_told_apart_from_training():
    logged = {
        "tokens_per_s": 9e5, "batch_size": "512", "flops_per_token": "2e6",
        "decode_tokens_per_s": 30, "weight_bytes": 4e9, "flops_per_decoded_token": 4e9,
    }  # fmt: skip
    found = decoding(logged, M3_PRO)
    assert found is not None
    assert found.bandwidth_ratio.value == pytest.approx(0.8)
    assert found.intensity.value == pytest.approx(1.0)
    assert roofline(logged, M3_PRO).flops.value == pytest.approx(1.8e12)
    assert decoding({"tokens_per_s": 9e5}, M3_PRO) is None
