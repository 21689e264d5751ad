import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.engines.silicon.models import METRICS
from services.home import Home
from tests import hardware_seed
from tests.hardware_seed import LINUX, STUDIO


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    found = Home.locate()
    found.create()
    return found


@pytest.fixture
def machines(home: Home) -> None:
    hardware_seed.fill(home.telemetry, datetime.now(UTC), minutes=12, step_s=60.0)


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, ("hardware", *words))
    assert done.exit_code == code, done.output
    return done


def test_before_the_first_sample_it_says_what_to_do(home: Home):
    assert "mlops up" in run(code=1).stderr


def test_figures_have_units_and_missing_ones_reasons(machines: None):
    said = run("--host", STUDIO.host).stdout
    assert "Apple M3 Max" in said
    assert "Swap used\t0 B\tmeasured\tmacmon 0.8.2" in said
    assert "Thermal level\t2 (heavy)\t" in said
    linux = run("--host", LINUX.host).stdout
    assert "Unavailable (not Apple Silicon): " in linux
    assert "CPU clock\t2595 MHz\t" in linux
    assert "Memory used\t6.0 GB\t" in linux


def test_json_has_the_documented_keys_and_null_for_missing(machines: None):
    said = json.loads(run("--host", LINUX.host, "--json").stdout)
    assert {"host", "chip", "apple_silicon", "readings"} <= set(said)
    assert set(said["readings"]) == set(METRICS)
    keys = {"value", "unit", "quality", "source", "reason", "at"}
    assert all(keys <= set(reading) for reading in said["readings"].values())
    assert said["readings"]["ane_w"]["value"] is None
    assert said["readings"]["ane_w"]["reason"] == "not Apple Silicon"
    assert said["readings"]["swap_used_bytes"]["value"] == 0
    assert STUDIO.host in [one["host"] for one in said["hosts"]]


@pytest.mark.parametrize("name", ["nobody", "x" * 10_000, "../etc"])
def test_an_unknown_machine_is_a_short_sentence(machines: None, name: str):
    done = run("--host", name, code=1)
    assert done.stderr.startswith("Error: No machine named")
    assert STUDIO.host in done.stderr
    assert len(done.stderr) < 600
