import re
from datetime import UTC, datetime, timedelta

from services.engines.silicon.models import METRICS, Machine, ProcessUse
from services.engines.silicon.provider import measured, unavailable
from services.sampler.metrics import exposition, name_of
from services.telemetry.models import HostState

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LINE = re.compile(r'[a-z_]+\{([a-z]+="(?:[^"\\]|\\.)*",?)*\} -?[\d.e+-]+')


def host(name: str = 'bob "the\\Mac', age_s: float = 1.0, **fields: object) -> HostState:
    machine = Machine(name, "Apple M3 Pro", apple_silicon=True, os="macOS 27.0")
    readings = (
        measured("gpu_mhz", 1380, "macmon"),
        measured("swap_used_bytes", 0, "macmon"),
        unavailable("system_w", "macmon", "cannot be read"),
    )
    said = {"last_at": NOW - timedelta(seconds=age_s), "readings": readings} | fields
    return HostState(machine, **said)  # type: ignore[arg-type]  # of HostState


def test_every_line_is_one_that_prometheus_reads():
    uses = (
        ProcessUse(1, 1.0, "python", "run:r1", "clip", memory_bytes=3),
        ProcessUse(2, 1.0, "python", "run:r2", "clip", memory_bytes=4),
        ProcessUse(3, 1.0, "mlflow", "engine:mlflow", memory_bytes=5),
        ProcessUse(4, 1.0, "chrome", memory_bytes=9),
    )
    text = exposition([host(processes=uses)], NOW)
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in samples), samples
    labels = r'host="bob \"the\\Mac",chip="Apple M3 Pro"'
    assert f'mlops_gpu_megahertz{{{labels},quality="measured"}} 1380' in samples
    assert f'mlops_swap_used_bytes{{{labels},quality="measured"}} 0' in samples
    assert f'mlops_reading_unavailable{{{labels},metric="system_w"}} 1' in samples
    assert not [line for line in samples if line.startswith("mlops_system_watts")]
    # Runs are put together: their ids as labels would grow for ever.
    assert f'mlops_process_memory_bytes{{{labels},owner="run",project="clip"}} 7' in samples
    assert "r1" not in text


def test_a_silent_host_has_only_its_age():
    text = exposition([host(age_s=600)], NOW)
    assert "mlops_sample_age_seconds" in text
    assert "mlops_gpu_megahertz" not in text
    assert exposition([], NOW) == ""


def test_names_carry_their_units():
    named = {metric: name_of(metric) for metric in METRICS}
    assert len(set(named.values())) == len(named)
    assert named["cpu_w"] == "mlops_cpu_watts"
    assert named["cpu_temperature_c"] == "mlops_cpu_temperature_celsius"
    assert named["disk_read_bytes_s"] == "mlops_disk_read_bytes_per_second"
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in named.values())
