"""MLflow's own database on a full disk: training goes on, it is said, and all arrives later."""

import contextlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import PROJECT, Platform, eventually, running
from tests.small_disk import SmallDisk, mounted

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(200)]

TRAIN = """
import sys
import mlflow

step = 0
with mlflow.start_run(run_name="before"):
    for line in sys.stdin:
        if line == "end\\n":
            break
        for _ in range(int(line)):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
            step += 1
        print(step, flush=True)
    mlflow.log_param("steps", step)
    mlflow.set_tag("told", "yes")
with mlflow.start_run(run_name="during"):
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_text("kept", "notes/kept.txt")
print("ended", flush=True)
for line in sys.stdin:
    pass
"""
LARGE_BYTES = 24_000_000
SHORT = """
import mlflow

with mlflow.start_run(run_name="{name}"):
    mlflow.log_metric("loss", 0.5, step=3)
"""
LARGE = f"""
import sys
from pathlib import Path
import mlflow

Path("weights.bin").write_bytes(b"w" * {LARGE_BYTES})
sys.stdin.readline()
with mlflow.start_run(run_name="large"):
    mlflow.log_artifact("weights.bin")
    mlflow.log_metric("loss", 0.5, step=3)
print("ended", flush=True)
sys.stdin.read()
"""
MODEL = """
import numpy as np
import mlflow
from mlflow.models.signature import infer_signature
from mlops_client.mlx import log_model

def build(weights, config):
    return lambda rows: rows @ weights["w"]

if __name__ == "__main__":
    sample = np.zeros((1, 2), np.float32)
    with mlflow.start_run(run_name="model"):
        info = log_model(
            name="drill", weights={"w": sample.T}, config={"k": 1}, entry="train:build",
            signature=infer_signature(sample, sample[:, :1]),
        )
    print(info.registered_model_version)
"""
_FULL = "The disk is full"
_FULL_THERE = "The disk of the shared MLflow is full: 0.0 MB free."


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    home = tmp_path_factory.mktemp("full") / "home"
    home.mkdir(mode=0o700)
    with mounted(home / "mlflow", "64m") as found:
        yield found


@pytest.fixture(scope="module")
def small(disk: SmallDisk) -> Iterator[Platform]:
    """A platform whose MLflow keeps all it has on the small disk."""
    with running(disk.path.parent.parent) as platform:
        yield platform


def say(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    # MLflow says on the same stream where a run can be seen.
    return next(said.strip() for said in process.stdout if said.strip().isalnum())


def stored(folder: Path, query: str) -> list[Any]:
    """Ask MLflow's database itself: what is there, and how often."""
    where = f"file:{folder / 'mlflow.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(where, uri=True)) as connection:
        return connection.execute(query).fetchall()


def steps(folder: Path, name: str) -> list[int]:
    query = "SELECT step FROM metrics JOIN runs USING (run_uuid) WHERE name = '{}' ORDER BY step"
    return [step for (step,) in stored(folder, query.format(name))]


def doctor_on_disks(platform: Platform) -> list[tuple[str, str, str]]:
    found = json.loads(platform.mlops("doctor", "--json", code=1))["findings"]
    disks = [one for one in found if one["what"] == "disk"]
    return [(one["level"], one["meaning"], one["mend"]) for one in disks]


def test_nothing_is_lost_and_nothing_comes_twice(small: Platform, disk: SmallDisk):
    process = small.start(small.connected(PROJECT), TRAIN)
    assert say(process, "5") == "5"
    eventually(lambda: len(small.runs()) == 1)
    assert small.shown("status")["disk"] == ""
    disk.fill()

    assert say(process, "200") == "205"
    assert say(process, "end") == "ended"
    assert steps(disk.path, "during") == []
    said = small.mlops("status")
    assert _FULL in said
    assert str(disk.path) in said
    assert "Free some space" in said
    assert _FULL in small.shown("status")["disk"]
    level, meaning, mend = doctor_on_disks(small)[0]
    assert level == "error"
    assert f"{_FULL}: 0.0 MB free at {disk.path}" in meaning
    assert "Free some space" in mend
    assert [run["name"] for run in small.runs()] == ["before"]
    assert small.runs()[0]["status"] == "running"

    disk.free()
    eventually(lambda: steps(disk.path, "during") == [1])
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert steps(disk.path, "before") == list(range(205))
    assert stored(disk.path, "SELECT key, value FROM params") == [("steps", "205")]
    assert stored(disk.path, "SELECT value FROM tags WHERE key = 'told'") == [("yes",)]
    assert stored(disk.path, "SELECT name, status FROM runs ORDER BY start_time") == [
        ("before", "FINISHED"),
        ("during", "FINISHED"),
    ]
    assert [file.read_text() for file in disk.path.rglob("kept.txt")] == ["kept"]
    assert err.count("What is kept is sent") == 1
    assert f"cannot take what is logged (HTTP 503: {_FULL_THERE}" in err
    assert err.count("what was kept has been sent.") == 1

    runs = {run["name"]: run["run_id"] for run in small.runs()}
    assert set(runs) == {"before", "during"}
    for run_id in runs.values():
        small.followed(run_id, "finished")
    assert small.shown("status")["disk"] == ""
    assert not any(_FULL in meaning for _, meaning, _ in doctor_on_disks(small))


def test_training_that_ends_on_a_full_disk_ends_well_and_the_next_one_sends(
    small: Platform, disk: SmallDisk
):
    folder = small.connected(PROJECT)
    disk.fill()
    _, err = small.run(folder, SHORT.format(name="alone"))
    assert f"still cannot take what was logged (HTTP 503: {_FULL_THERE}" in err
    assert steps(disk.path, "alone") == []

    disk.free()
    small.run(folder, SHORT.format(name="after"))
    eventually(lambda: steps(disk.path, "alone") == [3])
    assert steps(disk.path, "after") == [3]


def test_a_file_larger_than_the_room_left_waits_for_more(small: Platform, disk: SmallDisk):
    disk.fill(spare_bytes=LARGE_BYTES - 4_000_000)
    process = small.start(small.connected(PROJECT), LARGE)
    assert say(process, "go") == "ended"
    assert stored(disk.path, "SELECT name FROM runs WHERE name = 'large'")
    assert steps(disk.path, "large") == []
    assert not list(disk.path.rglob("weights.bin"))

    disk.free()
    eventually(lambda: steps(disk.path, "large") == [3])
    assert [file.stat().st_size for file in disk.path.rglob("weights.bin")] == [LARGE_BYTES]
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "(HTTP 503: The disk of the shared MLflow has 20.0 MB free: no room for 24.0 MB.)" in err


def test_mlflow_comes_up_again_on_a_full_disk_and_a_model_waits_for_room(
    small: Platform, disk: SmallDisk
):
    folder = small.connected(PROJECT)
    disk.fill()
    killed = small.process("mlflow")
    killed.kill()
    eventually(lambda: small.engine("mlflow")["pid"] not in {killed.pid, None})
    eventually(lambda: small.engine("mlflow")["state"] == "live", 120)
    out, err = small.run(folder, MODEL)
    assert out.splitlines()[-1] == "None"
    assert f"cannot take what is logged (HTTP 503: {_FULL_THERE}" in err
    assert stored(disk.path, "SELECT * FROM model_versions") == []

    disk.free()
    small.run(folder, SHORT.format(name="later"))
    eventually(lambda: stored(disk.path, "SELECT version FROM model_versions"))
    assert stored(disk.path, "SELECT name, version FROM model_versions") == [("drill", 1)]
    assert stored(disk.path, "SELECT count(*) FROM runs WHERE name = 'model'") == [(1,)]
    (weights,) = disk.path.rglob("drill/model.safetensors")
    assert weights.stat().st_size
    (model,) = eventually(lambda: small.shown("models", "list"))
    assert model["name"] == "drill"


def test_with_all_of_the_platform_on_one_full_disk_nothing_is_lost(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with mounted(home, "96m") as disk, running(tmp_path) as platform:
        process = platform.start(platform.connected(PROJECT), TRAIN)
        assert say(process, "5") == "5"
        eventually(lambda: len(platform.runs()) == 1)
        disk.fill()
        assert say(process, "200") == "205"
        assert say(process, "end") == "ended"
        said = "the disk it notes them on is full"
        eventually(lambda: said in platform.engine("mlflow")["detail"])
        assert f"{_FULL}: 0.0 MB free at {home}" in platform.mlops("status")
        assert _FULL in doctor_on_disks(platform)[0][1]
        assert [run["name"] for run in platform.runs()] == ["before"]

        disk.free()
        eventually(lambda: steps(home / "mlflow", "during") == [1])
        assert steps(home / "mlflow", "before") == list(range(205))
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        for run in eventually(lambda: rows if len(rows := platform.runs()) == 2 else None):
            platform.followed(run["run_id"], "finished")
        eventually(lambda: platform.engine("mlflow")["state"] == "live")
