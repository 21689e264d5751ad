"""What the planner is told on a real installation: of torch, what the project's environment has."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from services.errors import InputError
from services.home import Home
from services.serving import paths
from services.serving.measured import Base, Measured
from services.serving.models import BundleInfo, Field, Target
from services.serving.planning import Room
from services.serving.workbench import Workbench

MIB = 1024**2
PLAIN = BundleInfo(
    "toy", "net", 1, "rows", "safetensors", (Field("x", "FP32", (-1, 4)),),
    (Field("y", "FP32", (-1,)),), flavor="mlx", entry="toy.net:predictor", weights_bytes=64,
)  # fmt: skip
NAMED = replace(PLAIN, torch_entry="toy.on_torch:predictor")
ON_CPU = Target(1, backend="cpu")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home = Home.locate()
    home.create()
    return Room(home)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return the environment of a project, without torch."""
    folder = tmp_path / ".venv"
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    return folder


def with_torch(environment: Path) -> Path:
    package = environment / "lib" / "python3.11" / "site-packages" / "torch"
    package.mkdir()
    (package / "__init__.py").touch()
    return environment


def test_torch_on_the_cpu_is_planned_with_the_base_of_its_own(room: Room, environment: Path):
    book = Measured.of(room.home)
    book.note_base(Base("toy", "toy.net", "m", 50 * MIB))
    book.note_base(Base("toy", "toy.on_torch", "m", 240 * MIB))
    found = room.outlook(NAMED, ON_CPU, with_torch(environment))
    assert found.choice.backend == "cpu"
    assert found.choice.reason == "Chosen by a person: PyTorch computes on the CPU."
    assert found.estimate.bytes > 240 * MIB
    assert "cpu" in found.possible
    assert room.outlook(NAMED, Target(1), environment).estimate.bytes < 100 * MIB


def test_what_cannot_be_is_refused_with_the_right_reason(room: Room, environment: Path):
    with pytest.raises(InputError, match="not in the project's environment"):
        room.outlook(NAMED, ON_CPU, environment)
    with pytest.raises(InputError, match="names no torch model"):
        room.outlook(PLAIN, ON_CPU, with_torch(environment))


def test_before_the_environment_is_built_a_person_may_ask(room: Room):
    assert room.outlook(NAMED, ON_CPU).choice.backend == "cpu"
    assert room.outlook(NAMED, Target(1)).choice.backend == "mlx"


def test_what_the_setting_leaves_is_what_the_bench_plans_with(
    room: Room, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_MEMORY_GB", "0.001")
    folder = paths.bundle(room.home, "toy", "net", 1)
    folder.mkdir(parents=True)
    (folder / "serving.json").write_bytes(orjson.dumps(PLAIN.as_json()))
    found = Workbench(room.home).outlook("toy", "net", Target(1))
    assert found is not None
    assert not found.fits
    assert "serving_memory_gb" in found.said
    monkeypatch.delenv("MLOPS_SERVING_MEMORY_GB")
    found = Workbench(room.home).outlook("toy", "net", Target(1))
    assert found is not None
    assert "serving_memory_gb" not in found.said
