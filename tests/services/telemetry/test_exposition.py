from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from services.engines.silicon.models import METRICS, ProcessUse, Reading, Sample
from services.telemetry import exposition
from services.telemetry.exposition import OTHER_REASON, Reasons, families, prometheus_name, text
from services.telemetry.latest import OTHERS, Latest
from tests.services.telemetry.machines import BEGIN, MAC, PROVIDER, sample

NOW = 1_800_000_000.0
WHO = {"host": "mac-b", "chip": "Apple M3 Pro"}


@pytest.fixture
def latest() -> Latest:
    made = Latest(lambda: NOW)
    made.introduce(MAC, (PROVIDER,))
    return made


def use(owner: str, project: str = "clip", cpu_s: float | None = 1.5, **fields: object):
    return ProcessUse(1, 1.0, "python", owner, project, cpu_s, **fields)


def points(latest: Latest, *, at: float = NOW, reasons: Reasons | None = None):
    """Return what a Prometheus reads: (name, labels) to value, the same in both formats."""
    found = tuple(families(latest.hosts(), reasons or Reasons(), lambda: at))
    plain = text(found, open_metrics=False)
    other = text(found, open_metrics=True)
    assert other.endswith("# EOF\n")

    def parsed(parse, said):
        return {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in parse(said)
            for one in family.samples
        }

    one = parsed(text_string_to_metric_families, plain)
    assert one == parsed(open_metrics_families, other)
    return one


def value(found, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted((WHO | labels).items()))))


def test_readings_have_base_units_and_the_labels_host_and_chip(latest):
    readings = (
        Reading("cpu_w", 4.25, "measured"), Reading("gpu_mhz", 1398.0, "measured"),
        Reading("gpu_ratio", 0.0, "measured"), Reading("cpu_temperature_c", 41.5, "measured"),
        Reading("memory_used_bytes", 17e9, "measured"), Reading("thermal_level", 2.0, "measured"),
        Reading("swap_in_bytes_s", 3.5, "measured"), Reading("low_power_mode", 1.0, "measured"),
        Reading("fan_rpm", 1800.0, "measured"),
    )  # fmt: skip
    latest.heard(Sample("mac-b", BEGIN, 2.0, readings))
    found = points(latest)
    assert value(found, "mlops_cpu_power_watts") == 4.25
    assert value(found, "mlops_gpu_frequency_hertz") == 1_398_000_000
    assert value(found, "mlops_gpu_ratio") == 0
    assert value(found, "mlops_cpu_temperature_celsius") == 41.5
    assert value(found, "mlops_memory_used_bytes") == 17e9
    assert value(found, "mlops_swap_in_bytes_per_second") == 3.5
    assert value(found, "mlops_thermal_level") == 2
    assert value(found, "mlops_low_power_mode") == 1
    assert value(found, "mlops_fan_rpm") == 1800
    assert value(found, "mlops_host_up") == 1
    assert value(found, "mlops_host_samples_total") == 1
    assert value(found, "mlops_provider_usable", provider="macmon") == 1
    info = {"os": "macOS 27.0", "model": "Mac15,6", "gpu": "Apple M3 Pro", "apple_silicon": "true"}
    assert value(found, "mlops_host_info", **info) == 1


def test_every_metric_has_a_name_of_its_own_that_prometheus_takes(latest):
    names = [prometheus_name(metric)[0] for metric in METRICS.values()]
    assert len(set(names)) == len(METRICS)
    latest.heard(
        Sample("mac-b", BEGIN, 2.0, tuple(Reading(name, 1.0, "measured") for name in METRICS))
    )
    found = points(latest)
    assert all(value(found, name) is not None for name in names)


def test_what_is_unavailable_is_absent_and_said_with_its_reason(latest):
    latest.heard(sample(2))
    found = points(latest)
    assert value(found, "mlops_gpu_frequency_hertz") is None
    labels = {"metric": "mlops_gpu_frequency_hertz", "reason": "the GPU was not listed"}
    assert value(found, "mlops_reading_unavailable", **labels) == 1


def test_what_is_estimated_is_said(latest):
    latest.heard(Sample("mac-b", BEGIN, 2.0, (Reading("cpu_w", 4.0, "estimated", "", "by load"),)))
    found = points(latest)
    assert value(found, "mlops_reading_estimated", metric="mlops_cpu_power_watts") == 1


def test_words_with_quotes_lines_and_backslashes_stay_whole(latest):
    reason = 'it said "no"\nand \\ went'
    latest.heard(Sample("mac-b", BEGIN, 2.0, (Reading("cpu_w", None, "unavailable", "", reason),)))
    found = points(latest)
    labels = {"metric": "mlops_cpu_power_watts", "reason": reason}
    assert value(found, "mlops_reading_unavailable", **labels) == 1


def test_a_provider_with_ever_new_words_makes_no_endless_labels(latest):
    reasons = Reasons()
    told = set()
    for number in range(100):
        reading = Reading("cpu_w", None, "unavailable", "", f"error {number} at 0x{number:x}")
        at = BEGIN.replace(minute=number // 60, second=number % 60)
        latest.heard(Sample("mac-b", at, 2.0, (reading,)))
        found = points(latest, reasons=reasons)
        told |= {dict(labels)["reason"] for name, labels in found if name.endswith("unavailable")}
    assert len(told) == 9
    assert OTHER_REASON in told


def test_owners_are_kinds_and_engines_and_their_time_adds_up(latest):
    first = (use("run:a", memory_bytes=100, mlx_active_bytes=7), use("run:b", memory_bytes=11),
             use("engine:mlflow", "", 0.25, memory_bytes=5), use("", ""))  # fmt: skip
    latest.heard(replace(sample(2), processes=first))
    latest.heard(replace(sample(4), processes=(use("run:c", cpu_s=2.0, gpu_s=0.5),)))
    found = points(latest)
    runs = {"owner": "run", "project": "clip"}
    assert value(found, "mlops_owner_cpu_seconds_total", **runs) == 5.0
    assert value(found, "mlops_owner_gpu_seconds_total", **runs) == 0.5
    assert value(found, "mlops_owner_processes", **runs) == 1
    assert value(found, "mlops_owner_memory_bytes", **runs) is None  # not known of the one there is
    engine = {"owner": "engine:mlflow", "project": ""}
    assert value(found, "mlops_owner_cpu_seconds_total", **engine) == 0.25
    assert value(found, "mlops_owner_processes", **engine) == 0
    assert value(found, "mlops_owner_gpu_seconds_total", **engine) is None
    assert not [name for name, labels in found if dict(labels).get("owner") == ""]


def test_a_sample_that_comes_late_moves_nothing_back(latest):
    latest.heard(replace(sample(4), processes=(use("run:a"),)))
    latest.heard(replace(sample(2), processes=(use("run:a"),)))
    found = points(latest)
    assert value(found, "mlops_cpu_power_watts") == 0.5
    assert value(found, "mlops_host_samples_total") == 2
    assert value(found, "mlops_owner_cpu_seconds_total", owner="run", project="clip") == 1.5


def test_ever_new_projects_make_no_endless_labels(latest):
    many = tuple(use("run:a", f"p{number}") for number in range(500))
    latest.heard(replace(sample(2), processes=many))
    found = points(latest)
    owners = [labels for name, labels in found if name == "mlops_owner_processes"]
    assert len(owners) == 201
    assert value(found, "mlops_owner_processes", owner=OTHERS, project=OTHERS) == 300


def test_a_silent_machine_is_down_and_its_old_figures_are_not_told(latest):
    latest.heard(sample(2))
    found = points(latest, at=NOW + exposition.SILENT_S + 1)
    assert value(found, "mlops_host_up") == 0
    assert value(found, "mlops_host_last_sample_timestamp_seconds") == BEGIN.timestamp() + 2
    assert {name for name, _ in found} == {
        "mlops_host_info", "mlops_host_up", "mlops_host_last_sample_timestamp_seconds",
        "mlops_host_samples_total", "mlops_host_samples_refused_total", "mlops_provider_usable",
    }  # fmt: skip


def test_with_no_machine_there_is_nothing_and_that_is_readable():
    assert points(Latest()) == {}


def test_a_clock_that_was_ahead_and_is_set_right_does_not_stop_its_machine():
    now = [BEGIN.timestamp() + 7200]
    latest = Latest(lambda: now[0])
    latest.introduce(MAC, ())
    latest.heard(sample(7200))
    now[0] = BEGIN.timestamp()  # ours was two hours ahead, and is set right
    for second in (2, 4):
        now[0] += 2
        latest.heard(sample(second))
    (one,) = latest.hosts()
    assert one.sample.at == BEGIN + timedelta(seconds=4)
    assert one.heard_at == now[0]


def test_a_removed_machine_is_told_no_more_and_a_silent_one_is(latest):
    now = [BEGIN.timestamp()]
    latest = Latest(lambda: now[0])
    latest.introduce(MAC, ())
    latest.heard(sample(0))
    latest.keep(lambda _host: False, 60.0)
    assert len(latest.hosts()) == 1
    now[0] += 61
    latest.keep(lambda _host: True, 60.0)
    assert len(latest.hosts()) == 1
    latest.keep(lambda _host: False, 60.0)
    assert latest.hosts() == ()
