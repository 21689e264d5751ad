"""The whole way by the command line: a real version, package, model servers, gateway and answers.

MLflow alone is a small one; the engines are the platform's own processes. No controller runs, so
the command itself executes what it asks for, as it does on a machine where one ended.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.engines.mlflow.models import Model, Version
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.serving import replicas, status
from services.settings import Settings
from tests.live import eventually
from tests.services.serving import tiny_models
from tests.workflows.small_mlflow import SmallMLflow

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

PROJECT, MODEL = "cpu-compression", "cpu-compression-digits"
SPEC = f"{PROJECT}/{MODEL}"
ROOT = Path(__file__).resolve().parents[3]
Typed = Callable[..., Result]


def registered(folder: Path, home: Home) -> SmallMLflow:
    """Return an MLflow with versions of the real project's model: good, good, broken."""
    known = SmallMLflow()
    saved = tiny_models.save("04", folder / "model")
    files = {str(p.relative_to(saved)): p.read_bytes() for p in saved.rglob("*") if p.is_file()}
    for version in (1, 2, 3):
        known.add(f"r{version}")
        known.register(f"r{version}", version, MODEL, placeholder="")
        where = f"workspaces/toy/1/r{version}/artifacts/{MODEL}"
        known.files = {k: v for k, v in known.files.items() if not k.startswith(where)}
        known.files |= {f"{where}/{name}": content for name, content in files.items()}
    broken = next(name for name in known.files if "/r3/" in name and name.endswith("config.json"))
    known.files[broken] = b"{}"
    (home.secrets / "mlflow-platform.token").write_text("x")
    return known


@contextmanager
def engine(home: Home, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an engine until the block ends."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    with (home.logs / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *words],
            cwd=ROOT,
            env=kept | {"PYTHONPATH": str(ROOT), "MLOPS_ENGINE": f"{home.root}:{words[0]}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    for name, value in {
        "MLOPS_HOME": tmp_path / "home",
        "MLOPS_PROJECTS_ROOT": tmp_path / "projects",
        "MLOPS_SERVING_ENABLED": "1",
        "MLOPS_AIRFLOW_ENABLED": "0",
    }.items():
        monkeypatch.setenv(name, str(value))
    home = Home.locate()
    home.create()
    shutil.copytree(tiny_models.PROJECTS["04"], tmp_path / "projects" / "04")
    # The platform's own environment has all that the project needs.
    monkeypatch.setattr("services.projects.environment.prepare", lambda *_: Path(sys.executable))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'client' / 'src'}")
    monkeypatch.setattr("services.serving.trial._KEPT", ("PATH", "HOME", "TMPDIR", "PYTHONPATH"))
    mirrored, _ = schema.prepare(Settings().mirror_url)
    written = Store(mirrored)
    written.write_project(
        PROJECT, "connected", {"title": "CPU", "path": str(tmp_path / "projects" / "04")}
    )
    versions = [Version(MODEL, v, "", 0, "READY", "", "", {}) for v in (1, 2, 3)]
    written.write_registry(PROJECT, [Model(MODEL, "", 0, 0, {"champion": 1}, {})], versions)
    mirrored.dispose()

    def run(*words: str, code: int = 0, given: str = "") -> Result:
        done = CliRunner().invoke(mlops, list(words), input=given)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    port = free_port()
    (home.run / "ports.json").write_text(json.dumps({"gateway": port}))
    with registered(tmp_path, home).served() as url:
        monkeypatch.setenv("MLOPS_MLFLOW_URL", url)
        with (
            engine(home, "tests.services.serving.engine"),
            engine(home, "services.gateway", "--port", str(port)),
        ):
            eventually(lambda: (s := status.read(home)) and not s.ray and not s.stale(), 120)
            yield run
    for one in replicas.strays(home, set()):
        one.kill()


def test_deployed_asked_updated_rolled_back_and_out(typed: Typed, tmp_path: Path):
    planned = json.loads(typed("plan", SPEC, "--trial", "--json").stdout)
    assert planned["fits"]
    assert "measured" in planned["memory_said"]
    done = typed("deploy", SPEC, "--watch", "1")
    assert "Package and sign version 1: safetensors" in done.stdout
    assert done.stdout.endswith(f"Deploy {MODEL} version 1: done.\n")
    question = json.dumps({"columns": {"pixels": [[0.5] * 64] * 3}})

    def answer(*more: str) -> dict[str, object]:
        said = typed("predict", SPEC, "--input", "-", *more, given=question).stdout
        return dict(json.loads(said))

    first = answer()
    assert first["version"] == 1
    assert len(first["columns"]["label"]) == 3
    typed("deploy", f"{SPEC}:2", "--watch", "1")
    assert answer()["version"] == 2
    (shown,) = json.loads(typed("deployments", "--json").stdout)
    assert (shown["version"], shown["state"], shown["replicas"]) == (2, "live", 1)
    assert shown["traffic"] == {"2": 1.0}
    assert shown["memory_bytes"] > 0
    assert shown["stale"] == ""
    bad = typed("deploy", f"{SPEC}:3", "--watch", "1", code=1)
    assert "Error: Deploy" in bad.stderr
    assert answer()["version"] == 2
    typed("rollback", SPEC)
    assert answer()["version"] == 1
    eventually(lambda: json.loads(typed("deployments", "--json").stdout)[0]["requests"] >= 1)
    typed("deploy", f"{SPEC}:2", "--header")
    assert answer("--version", "2")["version"] == 2
    assert answer()["version"] == 1
    typed("rollout", SPEC, "--promote")
    assert answer()["version"] == 2
    typed("undeploy", SPEC, "--yes")
    eventually(lambda: json.loads(typed("deployments", "--json").stdout) == [])
    assert "answered 404" in typed("predict", SPEC, "--input", "-", given=question, code=1).stderr
    kinds = [
        e["kind"] for e in json.loads(typed("deployments", SPEC, "--history", "--json").stdout)
    ]
    assert kinds[0] == "undeployed"
    assert kinds.count("live") == 4
