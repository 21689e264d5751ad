"""A gateway of real processes: journal, routes, model servers of the tests, and the gateway."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from services.actions.journal import Journal
from services.home import Home
from services.serving import paths, routes, store
from services.serving.models import BundleInfo, Field
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.serving.store import ApiKey
from services.settings import Settings
from tests.live import eventually

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "lab"

FIELDS: dict[str, tuple[str, tuple[Field, ...], tuple[Field, ...]]] = {
    "rows": (
        "rows",
        (Field("x", "FP32", (-1, 4), min=-1000, max=1000),),
        (Field("y", "FP32", (-1,)),),
    ),
    "classify": (
        "classifier",
        (Field("text", "BYTES", (-1,)),),
        (Field("label", "BYTES", (-1,)), Field("confidence", "FP32", (-1,))),
    ),
    "text": ("text", (Field("prompt", "BYTES", (-1,)),), (Field("text", "BYTES", (-1,)),)),
    "embed": (
        "embeddings",
        (
            Field("image", "FP32", (-1, 4, 4), optional=True, image=True, min=0, max=1),
            Field("text", "BYTES", (-1,), optional=True),
        ),
        (Field("embedding", "FP32", (-1, 8)),),
    ),
    "images": (
        "images",
        (Field("label", "INT64", (-1,), choices=tuple(range(10))),),
        (Field("image", "FP32", (-1, 4, 4), image=True, min=0, max=1),),
    ),
}


def info(kind: str, version: int = 1, model: str | None = None) -> BundleInfo:
    interface, inputs, outputs = FIELDS[kind if kind in FIELDS else "rows"]
    return BundleInfo(
        PROJECT, model or kind, version, interface, "safetensors", inputs, outputs,  # type: ignore[arg-type]
        flavor="mlx", batchable=True, title=f"A {kind} of the tests",
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def variables(home: Home) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_"))}
    return kept | {"MLOPS_HOME": str(home.root), "PYTHONPATH": str(ROOT)}


@dataclass
class Lab:
    home: Home
    port: int
    journal: Journal
    key: str = ""
    key_id: str = ""
    routes: dict[str, Route] = field(default_factory=dict)
    serial: int = 0
    servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    gateway: subprocess.Popen[bytes] | None = None
    numbers: int = 0
    times: dict[str, float] = field(default_factory=dict)
    """What tests measured on the way, for who looks; nothing is asserted of it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home.logs / "gateway-test.log"

    def client(self, key: str | None = None, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **more)

    def new_key(self, project: str = PROJECT, **more: Any) -> str:
        key_id, key, digest = store.new_key()
        made = ApiKey(key_id, project, "test", digest, None, 0.0, 0, time.time(), "tests")
        store.add_key(self.journal, replace(made, **more))
        return key

    def server(self, kind: str = "rows", *more: str) -> Replica:
        self.numbers += 1
        path = paths.sockets(self.home) / f"t{self.numbers}.sock"
        words = [sys.executable, "-P", "-m", "tests.services.gateway.model_server"]
        process = subprocess.Popen(
            [*words, "--socket", str(path), "--kind", kind, *more],
            cwd=ROOT, env=variables(self.home), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        replica = Replica(f"r{self.numbers}", f"unix:{path}")
        self.servers[replica.id] = process
        return replica

    def kill(self, replica: Replica) -> None:
        process = self.servers.pop(replica.id)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        Path(replica.address.removeprefix("unix:")).unlink(missing_ok=True)

    def loaded(
        self, kind: str, *replicas: Replica, version: int = 1, model: str | None = None
    ) -> VersionRoute:
        said = info(kind, version, model)
        return VersionRoute(version, said, "cpu", "The tests have no GPU.", replicas)

    def put(self, *versions: VersionRoute, **more: Any) -> Route:
        """Route an endpoint: the first version is the live one."""
        first = versions[0]
        name = f"{PROJECT}.{first.info.model}"
        made = Route(
            name, PROJECT, first.info.model, first.version, {first.version: 1.0},
            {one.version: one for one in versions},
        )  # fmt: skip
        self.routes[name] = replace(made, **more)
        self.publish()
        return self.routes[name]

    def publish(self) -> None:
        self.serial += 1
        routes.write(self.home, Routes(self.serial, dict(self.routes)))

    def followed(self) -> None:
        """Wait until the gateway has the routes that were published last."""
        from services.serving import figures

        def same() -> bool:
            said = figures.read(self.home)
            return said is not None and said.serial == self.serial

        eventually(same)

    def start(self, *more: str, environment: dict[str, str] | None = None) -> None:
        self.home.logs.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.gateway = subprocess.Popen(
                [sys.executable, "-P", "-m", "services.gateway", "--port", str(self.port), *more],
                cwd=ROOT, env=variables(self.home) | (environment or {}), stdout=log, stderr=log,
            )  # fmt: skip
        with self.client() as client:

            def answers() -> bool:
                assert self.gateway is not None
                assert self.gateway.poll() is None, self.log.read_text()
                with contextlib.suppress(httpx.HTTPError):
                    return client.get("/healthz").status_code == 200
                return False

            eventually(answers)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of requests in the gateway's log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]

    def stop(self) -> int:
        assert self.gateway is not None
        self.gateway.terminate()
        return self.gateway.wait(30)

    def end(self) -> None:
        if self.gateway is not None and self.gateway.poll() is None:
            self.gateway.kill()
            self.gateway.wait()
        for process in self.servers.values():
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.journal.close()


@contextlib.contextmanager
def running(folder: Path, *kinds: str) -> Iterator[Lab]:
    """A gateway with an endpoint of each kind, version 1 live, and a key for all of them."""
    home = Home(folder / "home")
    home.create()
    settings = Settings(journal_url=f"sqlite:///{home.databases / 'journal.sqlite'}")
    lab = Lab(home, free_port(), Journal.open(settings))
    try:
        lab.key = lab.new_key()
        lab.key_id = store.key_id_of(lab.key)
        for kind in kinds:
            lab.put(lab.loaded(kind, lab.server(kind)))
        lab.start()
        yield lab
    finally:
        lab.end()
