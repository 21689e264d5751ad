"""A journal, a mirror with the models of one project, and a serving engine played by the test."""

import os
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.actions.action import Action, Context
from services.actions.deploy import Deploy
from services.actions.executor import Executor
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.engines.mlflow.models import Model, Version
from services.errors import MlopsError
from services.home import Home
from services.mirror.store import Store
from services.serving import status, store
from services.serving.models import (
    BundleInfo,
    Endpoint,
    EndpointStatus,
    ReplicaStatus,
    RolloutStatus,
    RolloutStep,
    Target,
    VersionStatus,
)
from services.serving.status import ServingStatus
from services.serving.workbench import Outlook, Workbench
from tests.services.actions.conftest import OWNER, Clock, build

NAME = "lora.net"
CONTRACT = """
[project]
name = "lora"
version = "1"

[tool.mlops]
id = "lora"
title = "LoRA"
train = "python train.py"
"""
MIB = 1024**2
_LATER = 1_000
"""The engine has read whatever a test wished."""


@dataclass(frozen=True)
class Bench(Workbench):
    """A bench whose packages and plans are the test's; status and figures are real files."""

    said: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def enabled(self) -> bool:
        return bool(self.said.get("enabled", True))

    def known(self, project: str, model: str, version: int) -> BundleInfo | None:
        return None

    def package(self, mlflow: Any, folder: Path, project: str, model: str, version: int) -> Any:
        self.calls.append(f"package {version}")
        self._fail("package")
        return BundleInfo(
            project, model, version, "rows", "safetensors", (), (), weights_bytes=3_000_000
        )

    def bento(self, folder: Path, project: str, model: str, version: int) -> str:
        self.calls.append(f"bento {version}")
        return f"{project}-{model}:{version}"

    def measure(self, *args: Any, **_: Any) -> None:
        self.calls.append(f"measure {args[3].version}")
        self._fail("measure")

    def outlook(self, *args: Any, **_: Any) -> Outlook | None:
        packaged = f"package {args[2].version}" in self.calls
        return self.said.get("outlook") if packaged or self.said.get("known") else None

    def _fail(self, where: str) -> None:
        error = self.said.pop(where, None)
        if error is not None:
            raise error


FITS = Outlook(
    True,
    "It fits on studio: 12.0 GB stay free.",
    300 * MIB,
    "measured",
    backend="mlx",
    backend_reason="MLX.",
)
TOO_LARGE = Outlook(
    False,
    "It needs 40.0 GB, 10.0 GB more than studio has.",
    40 * 1024 * MIB,
    "by formula",
    short_bytes=10 * 1024 * MIB,
    room=("Evicting a.b frees 10.0 GB; it wakes with the next request.",),
)


@dataclass
class Lab:
    """What a test works with."""

    context: Context
    executor: Executor
    home: Home
    bench: Bench
    clock: Clock

    def submit(self, action: Action, who: Actor = OWNER) -> ActionRecord:
        return self.executor.submit(who, action, os.urandom(8).hex())

    def turn(self) -> None:
        """Let the executor look again, however long it wanted to pause."""
        self.clock.ahead_s += 10
        self.executor.execute_pending()

    def record(self, record: ActionRecord) -> ActionRecord:
        return self.executor.record(record.id)

    def begin(self, action: Action, who: Actor = OWNER) -> ActionRecord:
        """Submit an action and execute it once."""
        made = self.submit(action, who)
        self.turn()
        return self.record(made)

    def endpoint(self) -> Endpoint | None:
        found = store.endpoints(self.context.journal)
        return found[0] if found else None

    # The serving engine

    def engine(self, *endpoints: EndpointStatus, at: float | None = None, **said: Any) -> None:
        """Say what the serving engine sees."""
        now = time.time() if at is None else at
        seen = ServingStatus(now, 1, endpoints={one.name: one for one in endpoints}, **said)
        status.write(self.home, seen)

    def engine_rolls(self, action_id: int, step: str, said: str = "") -> None:
        found = self.endpoint()
        assert found is not None
        assert found.rollout is not None
        rollout = RolloutStatus(
            found.rollout.target.version, found.rollout.strategy, action_id, "running",
            steps=(
                RolloutStep("Load", "done"),
                RolloutStep(step, "running", said),
                RolloutStep("Switch", "waiting"),
            ),
            began_at=time.time(),
        )  # fmt: skip
        self.engine(EndpointStatus(NAME, "loading", rollout=rollout))

    def engine_ends(self, *, live: bool, said: str = "It answers well.") -> None:
        """Have the rollout end, as the serving engine writes it."""
        found = self.endpoint()
        assert found is not None
        assert found.rollout is not None
        version = found.rollout.target.version
        store.finish_rollout(self.context.journal, NAME, version, live=live, said=said)

    def live(self, version: int, **target: Any) -> None:
        """Have a version be live, as if deployed before."""
        rollout = store.Rollout(Target(version, **target), action_id=-version, actor="before")
        store.put_rollout(self.context.journal, "lora", "net", rollout)
        store.finish_rollout(
            self.context.journal, NAME, version, live=True, said="It was deployed."
        )


def running(version: int, count: int = 1, **said: Any) -> EndpointStatus:
    """Return an endpoint with so many ready replicas."""
    replicas = tuple(ReplicaStatus(f"{NAME}:{version}:{n}", "ready") for n in range(count))
    versions = (VersionStatus(version, "live", replicas=replicas, **said),)
    return EndpointStatus(NAME, "live", generation=_LATER, versions=versions)


def made(folder: Path, clock: Clock) -> Lab:
    """Return a lab in a folder that has a mirror and a journal."""
    home = Home.locate()
    home.create()
    context, _ = build(folder)
    project = folder / "lora"
    project.mkdir(exist_ok=True)
    (project / "pyproject.toml").write_text(CONTRACT)
    written = Store(context.mirror.engine)
    written.write_project("lora", "connected", {"title": "LoRA", "path": str(project)})
    versions = [
        Version("net", 1, "", 0, "READY", "", "", {}),
        Version("net", 2, "", 0, "READY", "", "", {}),
        Version("net", 3, "", 0, "READY", "", "", {"mlops.archived": "true"}),
        Version("net", 4, "", 0, "READY", "", "", {"mlops.format": "pickle"}),
        Version("net", 5, "", 0, "PENDING_REGISTRATION", "", "", {}),
        Version("net", 6, "", 0, "READY", "", "", {}),
    ]
    written.write_registry("lora", [Model("net", "", 0, 0, {"champion": 2}, {})], versions)
    bench = Bench(home, said={"outlook": FITS})
    context = replace(context, serving=bench)
    lab = Lab(context, Executor(context, now=clock, elapsed=clock.elapsed), home, bench, clock)
    lab.engine()
    return lab


def deploy(**said: Any) -> Deploy:
    """Return the deployment of the lab's model."""
    return Deploy("lora", "net", **said)


def events(lab: Lab) -> list[tuple[str, int | None]]:
    """Return what happened to the endpoint, oldest first."""
    return [(one.kind, one.version) for one in reversed(store.events(lab.context.journal, NAME))]


def copied(mould: Path, folder: Path) -> Path:
    """Return a folder with an empty journal and a mirror."""
    for name in ("mirror.sqlite", "journal.sqlite"):
        shutil.copy(mould / name, folder / name)
    return folder


ERROR = MlopsError("The package holds a pickle.", "Register it as safetensors.")
