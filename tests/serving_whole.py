"""Serving as it is on a machine: engines as processes, a project's real model, and MLflow.

MLflow alone is a small one, and the mirror is written by hand; the engines are the platform's own.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.engines.mlflow.models import Model, Version
from services.home import Home
from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.store import Store
from services.serving import replicas, status
from services.settings import Settings
from tests.live import eventually
from tests.services.serving import tiny_models
from tests.workflows.small_mlflow import SmallMLflow

PROJECT, MODEL = "cpu-compression", "cpu-compression-digits"
VERSIONS = (1, 2, 3)
"""Two good ones, and one that does not load."""
_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Run the engines of serving over a registered model, until the block ends."""
    for name, value in {
        "MLOPS_HOME": folder / "home",
        "MLOPS_PROJECTS_ROOT": folder / "projects",
        "MLOPS_SERVING_ENABLED": "1",
        "MLOPS_AIRFLOW_ENABLED": "0",
    }.items():
        patch.setenv(name, str(value))
    home = Home.locate()
    home.create()
    shutil.copytree(tiny_models.PROJECTS["04"], folder / "projects" / "04")
    # The platform's own environment has all that the project needs.
    patch.setattr("services.projects.environment.prepare", lambda *_: Path(sys.executable))
    patch.setenv("PYTHONPATH", f"{_ROOT}{os.pathsep}{_ROOT / 'client' / 'src'}")
    patch.setattr("services.serving.trial._KEPT", ("PATH", "HOME", "TMPDIR", "PYTHONPATH"))
    _mirror(folder / "projects" / "04")
    port = free_port()
    (home.run / "ports.json").write_text(json.dumps({"gateway": port}))
    with _registered(folder, home).served() as url:
        patch.setenv("MLOPS_MLFLOW_URL", url)
        with (
            engine(home, "tests.services.serving.engine"),
            engine(home, "services.gateway", "--port", str(port)),
            engine(home, "services.predictions"),
        ):
            eventually(lambda: (s := status.read(home)) and not s.ray and not s.stale(), 120)
            yield home
    for one in replicas.strays(home, set()):
        one.kill()


def _mirror(project: Path) -> None:
    """Write the project and its versions, as the controller would."""
    mirrored, _ = schema.prepare(Settings().mirror_url)
    written = Store(mirrored)
    written.write_project(PROJECT, "connected", {"title": "CPU", "path": str(project)})
    now, tags = now_ms(), {"mlops.format": "safetensors"}
    versions = [Version(MODEL, v, "", now, "READY", "", "", tags) for v in VERSIONS]
    written.write_registry(PROJECT, [Model(MODEL, "", now, now, {"champion": 1}, {})], versions)
    mirrored.dispose()


def _registered(folder: Path, home: Home) -> SmallMLflow:
    """Return an MLflow with the versions of the real project's model."""
    known = SmallMLflow()
    saved = tiny_models.save("04", folder / "model")
    files = {str(p.relative_to(saved)): p.read_bytes() for p in saved.rglob("*") if p.is_file()}
    for version in VERSIONS:
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
            cwd=_ROOT,
            env=kept | {"PYTHONPATH": str(_ROOT), "MLOPS_ENGINE": f"{home.root}:{words[0]}"},
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
