"""A home in which models are really served: a small project, its signed bundles, the engine.

The project's model doubles its input with MLX weights; its configuration can make it fail in each
way that a version can be bad.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from services.actions.journal import Journal
from services.errors import MlopsError
from services.home import Home
from services.serving import asking, figures, paths, replicas, routes, signing, status, store
from services.serving.figures import Figures, VersionFigures
from services.serving.models import (
    BundleInfo,
    Endpoint,
    EndpointStatus,
    Field,
    Guards,
    Rollout,
    Strategy,
    Target,
)
from services.serving.routes import Route
from tests.live import eventually

ROOT = Path(__file__).resolve().parents[3]
PROJECT, MODEL = "tiny", "double"
NAME = f"{PROJECT}.{MODEL}"
MB = 1 << 20

CONTRACT = """
[project]
name = "tiny"
version = "0"

[tool.mlops]
id = "tiny"
title = "Tiny"
train = "python train.py"
primary_metric = { name = "loss", goal = "min" }
"""
CODE = '''
"""Doubles what it is given; its configuration says how it fails."""

import os
import time

import mlx.core as mx
import numpy as np


def build(weights, config):
    factor, way = weights["factor"], config.get("way", "")
    if way == "constructor":
        raise RuntimeError("the weights are of another network")
    if way == "crash":
        os._exit(7)
    time.sleep(config.get("load_s", 0))
    asked = [0]

    def predict(columns):
        asked[0] += 1
        if way == "warm-up" or (way == "later" and asked[0] > config["good"]):
            raise RuntimeError("it does not work")
        time.sleep(config.get("slow_s", 0))
        x = mx.array(np.asarray(columns["x"], dtype=np.float32))
        y = np.array((x * factor).sum(axis=1))
        if way == "nan":
            y = y * np.nan
        return {"y": y.astype(np.float32)}

    return predict
'''


def bundle_info(version: int, **changes: Any) -> BundleInfo:
    told: dict[str, Any] = {
        "interface": "rows",
        "format": "safetensors",
        "flavor": "mlx",
        "inputs": (Field("x", "FP32", (-1, 2)),),
        "outputs": (Field("y", "FP32", (-1,)),),
        "entry": "tiny_model:build",
        "batchable": True,
        "example": {"x": [[1.0, 2.0], [3.0, 4.0]]},
    }
    return BundleInfo(PROJECT, changes.pop("model", MODEL), version, **(told | changes))


def lay_bundle(
    home: Home, version: int, *, factor: float = 2.0, model: str = MODEL, **config: Any
) -> BundleInfo:
    """Put a signed bundle where the engine looks for it."""
    info = bundle_info(version, model=model, **config.pop("info", {}))
    folder = paths.bundle(home, PROJECT, model, version)
    (folder / "model").mkdir(parents=True)
    head = json.dumps({"factor": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    weights = struct.pack("<Q", len(head)) + head + struct.pack("<f", factor)
    (folder / "model" / "model.safetensors").write_bytes(weights)
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "serving.json").write_text(json.dumps(info.as_json()))
    files = [
        {
            "path": str(path.relative_to(folder)),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    manifest = {
        "v": 1, "project": PROJECT, "model": model, "version": version, "run_id": None,
        "git_commit": None, "data_revision": None, "source": "", "registered_ms": 0,
        "package": "", "files": files,
    }  # fmt: skip
    content = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "signature.json").write_bytes(signing.sign(home, content))
    return info


def lay_project(root: Path) -> Path:
    """Make the project, with an environment that is the platform's own."""
    folder = root / PROJECT
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(CONTRACT)
    (folder / "tiny_model.py").write_text(CODE)
    return folder


@dataclass
class Lab:
    """One home with its serving engine, and a stand-in for the gateway that asks and counts."""

    home: Home
    projects: Path
    journal: Journal
    process: subprocess.Popen[bytes] | None = None
    failures: list[str] = field(default_factory=list)
    asked: int = 0
    longest_s: float = 0.0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.services.serving.engine"],
            cwd=ROOT,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=self._log(),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _log(self) -> int:
        path = self.home.logs / "serving.log"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "RAY_"))}
        return kept | {
            "MLOPS_HOME": str(self.home.root),
            "MLOPS_PROJECTS_ROOT": str(self.projects),
            "MLOPS_SERVING_ENABLED": "true",
            "MLOPS_ENGINE": f"{self.home.root}:serving",
            "PYTHONPATH": str(ROOT),
        }

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)

    # What is wanted

    def deploy(
        self,
        version: int,
        *,
        model: str = MODEL,
        strategy: Strategy = "blue-green",
        watch_s: float = 0.5,
        guards: Guards | None = None,
        action_id: int | None = None,
        target: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        wish = Target(version, **({"memory_bytes": 300 * MB} | (target or {})))
        rollout = Rollout(
            wish,
            strategy,
            watch_s=watch_s,
            guards=guards or Guards(),
            action_id=version if action_id is None else action_id,
            **more,
        )
        store.put_rollout(self.journal, PROJECT, model, rollout)

    # What there is

    def status(self, name: str = NAME) -> EndpointStatus | None:
        found = status.read(self.home)
        return found.endpoints.get(name) if found else None

    def route(self, name: str = NAME) -> Route | None:
        found = routes.read(self.home)
        return found.endpoints.get(name) if found else None

    def live(self, version: int, name: str = NAME, timeout_s: float = 90.0) -> EndpointStatus:
        """Return the endpoint when this version is live and no rollout is under way."""

        def there() -> EndpointStatus | None:
            now = self.status(name)
            if now is None or now.phase != "live":
                return None
            done = now.rollout is None or now.rollout.outcome != "running"
            here = any(one.version == version and one.phase == "live" for one in now.versions)
            return now if done and here and len(now.versions) == 1 else None

        found: EndpointStatus = eventually(there, timeout_s)
        return found

    def ended(self, version: int, name: str = NAME) -> EndpointStatus:
        """Return the endpoint when the rollout of this version ended, however."""

        def there() -> EndpointStatus | None:
            now = self.status(name)
            rollout = now.rollout if now else None
            over = rollout and rollout.version == version and rollout.outcome != "running"
            return now if over else None

        found: EndpointStatus = eventually(there)
        return found

    def specs(self, name: str = NAME) -> list[replicas.ReplicaSpec]:
        return [one for one in replicas.records(self.home) if one.name == name]

    def server(self, name: str = NAME) -> psutil.Process:
        """Return the process of the model server that answers."""
        found = eventually(lambda: [p for s in self.specs(name) if (p := replicas.process_of(s))])
        assert isinstance(found[0], psutil.Process)
        return found[0]

    # Asking, as a gateway does

    def ask(self, name: str = NAME, deadline_s: float = 30.0) -> float:
        """Ask once by the routes, again while a model server does not answer; return the answer."""
        began = time.monotonic()
        while True:
            fault = "there is no route"
            route = self.route(name)
            if route is not None:
                version = max(route.shares, key=lambda one: route.shares[one])
                found = route.versions[version]
                for replica in found.replicas:
                    try:
                        answer = asking.ask(
                            replica.address, found.info, {"x": [[1.0, 2.0]]}, timeout_s=5.0
                        )
                        return float(answer.columns[0].values[0])
                    except MlopsError as error:
                        fault = str(error)
            if time.monotonic() - began > deadline_s:
                raise AssertionError(fault)
            time.sleep(0.02)

    @contextmanager
    def load(self, name: str = NAME, deadline_s: float = 30.0) -> Iterator["Lab"]:
        """Ask again and again from a thread, and write the figures a gateway writes."""
        ended = threading.Event()
        self.failures, self.asked, self.longest_s = [], 0, 0.0

        def go() -> None:
            while not ended.is_set():
                began = time.monotonic()
                try:
                    self.ask(name, deadline_s)
                except (AssertionError, MlopsError) as error:
                    self.failures.append(str(error))
                self.asked += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                time.sleep(0.005)

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(go)
            try:
                yield self
            finally:
                ended.set()
                running.result(60)

    def gateway_says(self, version: int, name: str = NAME, **said: Any) -> None:
        """Write figures as a gateway would."""
        found = routes.read(self.home)
        one = VersionFigures(version, **said)
        told = Figures(
            time.time(), os.getpid(), found.serial if found else 0, {name: {version: one}}
        )
        figures.write(self.home, told)


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Start an engine in a home of its own; end it and all it started."""
    home = Home(folder / "home")
    home.create()
    projects = folder / "projects"
    lay_project(projects)
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    lab = Lab(home, projects, journal)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
        journal.close()
        for one in replicas.strays(home, set()):
            one.kill()


def replaced(now: Endpoint, **changes: Any) -> Endpoint:
    """Return what is wanted with other numbers of its live version, or of itself."""
    ours = {name: value for name, value in changes.items() if name in Target.__dataclass_fields__}
    theirs = {name: value for name, value in changes.items() if name not in ours}
    assert now.live is not None
    return replace(now, live=replace(now.live, **ours), **theirs)
