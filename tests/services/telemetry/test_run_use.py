"""What a run used, as it is written to the run."""

import pytest

from services.telemetry.run_use import use_of_run
from tests.services.telemetry.recordings import (
    BUSY,
    GB,
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


def test_a_run_alone_on_a_mac():
    # The machine's own background is 5 % of the CPU time at most here.
    found = use_of_run(recording(120, {**BUSY, "cpu_ratio": 0.1}), at(0), at(120), RUN, MAC)
    assert found.energy.quality == "measured"
    assert found.boundary == "cpu+gpu+ane"
    assert found.energy.value == pytest.approx(120 * (2 + 14 * 0.96 / 0.97))
    assert found.metrics() == {
        "system/energy_j": found.energy.value,
        "system/mean_power_w": found.energy.value / 120,
        "system/cpu_s": pytest.approx(144),
        "system/gpu_s": pytest.approx(115.2),
        "system/peak_memory_bytes": 5 * GB,
        "system/mlx_peak_bytes": 5 * GB,
    }
    assert found.tags() == {
        "mlops.energy.quality": "measured",
        "mlops.energy.boundary": "cpu+gpu+ane",
    }
    assert found.machine.total.value == pytest.approx(1920)


def test_a_short_run_is_filled_up_and_said_to_be():
    """Of a run of ten seconds the sampler misses the first look and the end."""
    samples = [
        sample(2, BUSY),
        sample(4, BUSY, use(cpu_s=None, gpu_s=None)),
        *recording(6, begin_s=4),
        sample(12, BUSY),
    ]
    found = use_of_run(samples, at(1), at(11), RUN, MAC)
    assert found.energy.quality == "estimated"
    assert found.energy.value == pytest.approx(10 * (14 * 0.96 / 0.97 + 2 * 2.4 / 2.88))
    assert "is known for 60 % of the time; the rest is taken at its mean" in found.energy.reason
    assert found.gpu_s.value == pytest.approx(9.6)
    assert found.tags()["mlops.energy.quality"] == "estimated"


def test_a_run_of_a_moment_has_no_energy_rather_than_a_guess():
    samples = [sample(2, BUSY), sample(4, BUSY, use(cpu_s=None, gpu_s=None)), sample(6, BUSY)]
    found = use_of_run(samples, at(1), at(5), RUN, MAC)
    assert found.energy.value is None
    assert "system/energy_j" not in found.metrics()
    assert found.tags() == {
        "mlops.energy.quality": "unavailable",
        "mlops.energy.reason": "its use of the CPU was not told",
    }


def test_a_run_beside_another_is_allocated():
    both = (use(RUN, gpu_s=1.0), use(OTHER_RUN, pid=101, gpu_s=0.9))
    found = use_of_run(recording(60, BUSY, both), at(0), at(60), RUN, MAC)
    assert found.energy.quality == "estimated"
    assert found.tags()["mlops.energy.reason"] == "allocated by busy time"
    assert found.machine.total.value > found.energy.value


def test_linux_has_times_and_memory_and_no_joules():
    samples = recording(60, PSUTIL, (use(gpu_s=None, cpu_s=3.6),), machine=LINUX)
    found = use_of_run(samples, at(0), at(60), RUN, LINUX)
    assert found.tags() == {
        "mlops.energy.quality": "unavailable",
        "mlops.energy.reason": "no power of the CPU: this machine does not report it",
    }
    assert set(found.metrics()) == {
        "system/cpu_s",
        "system/peak_memory_bytes",
        "system/mlx_peak_bytes",
    }


def test_a_run_whose_processes_nobody_saw_is_not_charged_with_the_machine():
    found = use_of_run(recording(60, BUSY, ()), at(0), at(60), RUN, MAC)
    assert found.metrics() == {}
    assert found.tags()["mlops.energy.reason"] == "none of its processes was seen in the samples"
    assert found.machine.total.value == pytest.approx(960)
    assert use_of_run([], at(0), at(60), RUN).energy.reason == "nothing was sampled at that time"


def test_without_the_cpus_power_the_boundary_says_so():
    found = use_of_run(recording(60, without(BUSY, "cpu_w", "ane_w")), at(0), at(60), RUN, MAC)
    assert found.boundary == "gpu"
    assert found.energy.quality == "estimated"
    assert found.energy.reason == "without the CPU (no power of the CPU: no provider reports it)"
