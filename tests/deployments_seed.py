"""Six endpoints of six kinds in service, as the engines would leave them."""

import os
import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert

from services.actions import schema
from services.actions.journal import Journal
from services.home import Home
from services.mirror import schema as schema_of_mirror
from services.mirror.store import Store
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.serving import figures, paths, routes, status, store
from services.serving.figures import Figures, VersionFigures
from services.serving.models import (
    Endpoint,
    EndpointStatus,
    ReplicaStatus,
    Rollout,
    RolloutStatus,
    RolloutStep,
    Target,
    VersionStatus,
)
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.serving.status import ServingStatus
from services.serving.store import ApiKey
from tests import seed
from tests.deployments_schemas import CLIP, FEW, IMAGES, LORA, NAMES, PIXELS, TEXT, infos

__all__ = ["CLIP", "FEW", "IMAGES", "LORA", "NAMES", "PIXELS", "TEXT", "infos"]
ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
HOST = "studio-1a2b3c4d"
MLX_SAID = "Apple M3 Max with 40 GPU cores: MLX is the fastest that this version can run."
CPU_SAID = "ONNX of 0.4 MB: a launch on the GPU costs more than the whole answer on the CPU."
ESTIMATE = "From 3 measured replicas of this interface; the error was 6 % at most."
WRONG = "The example was answered with NaN in “embedding”; version 1 answers as before."
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


def target(version: int, mb: int, least: int = 1, most: int = 1) -> Target:
    return Target(version, least, most, memory_bytes=mb * MB, memory_said=ESTIMATE)


def endpoints() -> tuple[Endpoint, ...]:
    """Return what is wanted."""
    canary = Rollout(target(2, 160), "canary", 0.1, watch_s=120.0, action_id=41, actor="mira")
    watched = Rollout(target(2, 900), "blue-green", watch_s=60.0, action_id=42, actor="mira")
    first = Rollout(target(1, 640), "blue-green", action_id=43, actor="policy:release")
    return (
        Endpoint("lora-finetuning", "lora-finetuning", target(1, 420, 1, 3), pinned=True),
        Endpoint("stable-diffusion", "stable-diffusion", target(1, 1_200, 0, 1)),
        Endpoint("cpu-compression", "cpu-compression", target(1, 160, 1, 2), canary),
        Endpoint("clip-finetuning", "clip-finetuning", target(1, 700)),
        Endpoint(
            "quantized-optimization", "quantized-optimization", target(1, 900), watched,
            privacy="hash",
        ),
        Endpoint("meta-learning-peft", "meta-learning-peft", None, first),
    )  # fmt: skip


# What the engines wrote


def replica(
    name: str, version: int, number: int, mb: int, logs: Path, **more: Any
) -> ReplicaStatus:
    given: dict[str, Any] = {
        "id": f"{name}:{version}:{number}-a1b{number}",
        "state": "ready",
        "address": f"unix:/tmp/mlops-0-seed/{name[:12]}{version}{number}.sock",
        "host": HOST,
        "pid": 40_000 + 10 * version + number,
        "started_at": time.time() - 3 * _HOUR,
        "memory_bytes": mb * MB,
        "peak_bytes": int(mb * 1.12 * MB),
        "log": str(logs / f"{name}-{version}-{number}.log"),
    }
    return ReplicaStatus(**given | more)


def statuses(home: Home, now: float) -> dict[str, EndpointStatus]:
    """Return what is seen of each."""
    logs = home.logs / "serving"

    def version(
        name: str, number: int, phase: Any, mb: int, count: int, **more: Any
    ) -> VersionStatus:
        made = tuple(replica(name, number, n + 1, int(mb * 0.86), logs) for n in range(count))
        given: dict[str, Any] = {"backend": "mlx", "backend_reason": MLX_SAID, "replicas": made}
        return VersionStatus(number, phase, reserved_bytes=mb * MB, **given | more)

    def seen(name: str, phase: Any, *versions: VersionStatus, **more: Any) -> EndpointStatus:
        return EndpointStatus(
            name, phase, versions=versions, since=now - 42.0, generation=3, **more
        )

    clip = version(CLIP, 1, "live", 700, 1, share=1.0)
    loading = version(FEW, 1, "loading", 640, 1, said="Reads 212 MB of weights.")
    starting = replace(loading.replicas[0], state="starting", memory_bytes=None, peak_bytes=None)
    found = (
        seen(LORA, "live", version(LORA, 1, "live", 420, 2, share=1.0)),
        seen(IMAGES, "idle", version(IMAGES, 1, "idle", 1_200, 0, share=1.0),
             said="Nobody asked it for 15 minutes: the next request wakes it."),
        seen(PIXELS, "canary",
             version(PIXELS, 1, "live", 160, 1, share=0.9, backend="cpu", backend_reason=CPU_SAID),
             version(PIXELS, 2, "canary", 160, 1, share=0.1, backend="cpu",
                     backend_reason=CPU_SAID),
             rollout=canary_steps(now)),
        seen(CLIP, "live", replace(clip, replicas=(replace(clip.replicas[0], restarts=2),)),
             rollout=taken_back(now)),
        seen(TEXT, "watching", version(TEXT, 2, "watching", 900, 1, share=1.0),
             version(TEXT, 1, "live", 900, 1), rollout=watched_steps(now)),
        seen(FEW, "loading", replace(loading, replicas=(starting,)), rollout=first_steps(now)),
    )  # fmt: skip
    return {one.name: one for one in found}


def _steps(now: float, *told: tuple[str, Any, str, float, float | None]) -> tuple[RolloutStep, ...]:
    return tuple(
        RolloutStep(
            name,
            state,
            said,
            None if state == "waiting" else now - began,
            None if ended is None else now - ended,
        )
        for name, state, said, began, ended in told
    )


def canary_steps(now: float) -> RolloutStatus:
    steps = _steps(
        now,
        ("Load", "done", "Loaded 0.4 MB on the CPU.", 95.0, 93.2),
        ("Warm up", "done", "Compiled for 1, 8 and 32 rows.", 93.2, 92.4),
        ("Check", "done", "The example was answered: 10 values, all finite.", 92.4, 92.1),
        ("Canary", "running", "Takes 10 % of the requests; 214 answered, 0 errors.", 92.0, None),
        ("Switch", "waiting", "", 0.0, None),
        ("Watch", "waiting", "", 0.0, None),
    )
    return RolloutStatus(2, "canary", 41, "running", "", steps, now - 95.0)


def taken_back(now: float) -> RolloutStatus:
    steps = _steps(
        now,
        ("Load", "done", "Loaded 312 MB.", 900.0, 896.0),
        ("Warm up", "done", "Compiled for 1, 8 and 32 rows.", 896.0, 895.0),
        ("Check", "failed", WRONG, 895.0, 894.6),
        ("Switch", "waiting", "", 0.0, None),
    )
    return RolloutStatus(2, "blue-green", 40, "rolled-back", WRONG, steps, now - 900, now - 894.6)


def watched_steps(now: float) -> RolloutStatus:
    steps = _steps(
        now,
        ("Load", "done", "Loaded 612 MB in 4 bits.", 31.0, 24.0),
        ("Warm up", "done", "Wrote 16 characters.", 24.0, 22.0),
        ("Check", "done", "The example was answered.", 22.0, 21.4),
        ("Switch", "done", "All requests go to version 2.", 21.4, 21.3),
        ("Watch", "running", "61 answered, 0 errors; p95 is 1.1 times that of before.", 21.3, None),
    )
    return RolloutStatus(2, "blue-green", 42, "running", "", steps, now - 31)


def first_steps(now: float) -> RolloutStatus:
    steps = _steps(
        now,
        ("Load", "running", "Reads 212 MB of weights.", 4.0, None),
        ("Warm up", "waiting", "", 0.0, None),
        ("Check", "waiting", "", 0.0, None),
    )
    return RolloutStatus(1, "blue-green", 43, "running", "", steps, now - 4)


def passing(now: float) -> Figures:
    """Return what passes through the gateway."""

    def made(version: int, count: int, p50: float, errors: int = 0, **more: Any) -> VersionFigures:
        return VersionFigures(
            version, 40_000 + count, 12, count, errors, 0, p50, p50 * 2.1, p50 * 3.4, 1, 0,
            now - 1.0, **more,
        )  # fmt: skip

    return Figures(
        now,
        os.getpid(),
        7,
        {
            LORA: {1: made(1, 2_640, 3.8)},
            PIXELS: {1: made(1, 1_310, 0.9), 2: made(2, 146, 1.0)},
            CLIP: {1: made(1, 240, 7.4, 6)},
            TEXT: {2: made(2, 61, 212.0), 1: made(1, 12, 190.0)},
            IMAGES: {1: VersionFigures(1, 912, 3)},
        },
    )


def ways(home: Home, now: float) -> Routes:
    """Return how the gateway reaches them."""
    known, wanted = statuses(home, now), {one.name: one for one in endpoints()}
    found = {}
    for name, told in infos().items():
        end, seen = wanted[name], known[name]
        if end.live is None:
            continue
        versions = {
            one.version: VersionRoute(
                one.version,
                replace(told, version=one.version),
                one.backend or "cpu",
                one.backend_reason,
                tuple(Replica(r.id, r.address) for r in one.replicas),
            )
            for one in seen.versions
        }
        shares = {one.version: one.share for one in seen.versions if one.share}
        found[name] = Route(
            name, end.project, end.model, max(shares, key=lambda v: shares[v]), shares, versions,
            idle=seen.phase == "idle",
        )  # fmt: skip
    return Routes(7, found)


# All of it


def beat(home: Home, *, serving: bool = True, gateway: bool = True, age_s: float = 0.0) -> None:
    """Write what the engines write, as of so long ago; without one of them, nothing of it."""
    at = time.time() - age_s
    if serving:
        free = 21_400 * MB
        status.write(home, ServingStatus(at, os.getpid(), "", free, statuses(home, at)))
        routes.write(home, ways(home, at))
    if gateway:
        figures.write(home, passing(at))


def keep_fresh(home: Home, over: threading.Event) -> None:
    """Write it every second until ``over``."""
    while not over.wait(1.0):
        beat(home)


def fill(home: Home, journal: Journal, *, minutes: int = 55) -> None:
    """Write what is wanted, what happened, keys, logs, and what the engines see."""
    for one in endpoints():
        store.change(journal, one.project, one.model, lambda _, one=one: one)  # type: ignore[misc]
    _happened(journal)
    for key in keys():
        store.add_key(journal, key)
    store.revoke_key(journal, keys()[2].id)
    _logs(home)
    asked(home, minutes=minutes)
    beat(home)


def keys() -> tuple[ApiKey, ...]:
    """Return three keys: a good one, one of some models, one that is revoked."""
    now = time.time()
    given = (
        ("0a1b2c3d4e5f", "lora-finetuning", "checkout service", None, None),
        ("1a1b2c3d4e5f", "cpu-compression", "scanner", ("cpu-compression",), now + 7 * _DAY),
        ("2a1b2c3d4e5f", "lora-finetuning", "old notebook", None, None),
    )
    return tuple(
        ApiKey(key, project, name, key * 5, models, 50.0, 8, now - _DAY, "mira", until)
        for key, project, name, models, until in given
    )


def connect(url: str) -> None:
    """Let the mirror know the nine projects by their own folders."""
    engine, _ = schema_of_mirror.prepare(url)
    store_of_mirror = Store(engine)
    folders = sorted(one for one in (ROOT / "projects").iterdir() if one.is_dir())
    for number, (project, title, kind, metric, goal) in enumerate(seed.PROJECTS):
        document = seed._document(9 + number, project, title, kind, metric, goal)
        document |= {"path": str(folders[number]), "reasons": [], "gates": {}}
        store_of_mirror.write_project(project, "connected", document)
    engine.dispose()


def package(home: Home, name: str, version: int, megabytes: int) -> None:
    """Leave of a package what its memory is planned from."""
    told = replace(infos()[name], version=version, weights_bytes=megabytes * MB)
    folder = paths.bundle(home, told.project, told.model, version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serving.json").write_bytes(orjson.dumps(told.as_json()))


def _happened(journal: Journal) -> None:
    now = time.time()
    lines: tuple[tuple[str, float, int | None, str, str, str], ...] = (
        (LORA, 9 * _DAY, 2, "live", "Version 2 answers all requests.", "mira"),
        (LORA, 2 * _DAY, 1, "live", "Version 1 answers all requests: rolled back by hand.", "ann"),
        (LORA, 3 * _HOUR, 1, "scaled", "From 1 to 2 replicas: 9 requests waited.", "platform"),
        (PIXELS, 3 * _DAY, 1, "live", "Version 1 answers all requests.", "mira"),
        (PIXELS, 95.0, 2, "deploy", "Version 2 is on its way as a canary.", "mira"),
        (CLIP, 5 * _DAY, 1, "live", "Version 1 answers all requests.", "mira"),
        (CLIP, 910.0, 2, "deploy", "Version 2 is on its way.", "mira"),
        (CLIP, 894.6, 2, "rolled-back", WRONG, "mira"),
        (TEXT, _DAY, 1, "live", "Version 1 answers all requests.", "mira"),
        (IMAGES, 4 * _DAY, 1, "live", "Version 1 answers all requests.", "mira"),
        (IMAGES, 30 * _MINUTE, 1, "idle", "Nobody asked it for 15 minutes.", "platform"),
    )
    with journal.write() as connection:
        for name, back, version, kind, said, actor in sorted(lines, key=lambda one: -one[1]):
            row = {
                "at_ms": int((now - back) * 1000), "name": name, "version": version, "kind": kind,
                "said": said, "action_id": None, "actor": actor,
            }  # fmt: skip
            connection.execute(insert(schema.serving_events).values(**row))


def asked(home: Home, *, minutes: int = 55) -> None:
    """Write what was answered in the last minutes into the prediction log."""
    log = PredictionLog.open(home, "gateway")
    now, chance = time.time(), random.Random(5)  # noqa: S311 - the same each time
    shape = ((LORA, 3.8, 0.2), (PIXELS, 0.9, 0.0), (CLIP, 7.4, 0.4), (TEXT, 212.0, 1.5))
    for name, usual_ms, joules in shape:
        project, _, model = name.partition(".")
        for second in range(0, minutes * 60, 4):
            at = now - second - chance.random()
            version = 2 if name == PIXELS and second < 95 and chance.random() < 0.3 else 1
            version = 2 if name == TEXT and second < 21 else version
            failed = name == CLIP and chance.random() < 0.03
            latency = usual_ms * (1 + chance.random() ** 4 * 3)
            log.append(
                Record(
                    request_id(at, chance), at, project, model, version, "plain",
                    500 if failed else 200, latency, model_ms=latency * 0.8, queue_ms=0.1,
                    backend="mlx", host=HOST, energy_j=joules or None,
                    inputs={"text": ["my card was declined"]}, outputs={"label": ["card"]},
                    error="The model failed." if failed else None,
                )
            )  # fmt: skip
    log.close()


def request_id(at: float, chance: random.Random) -> str:
    """Return the id of a request of that time."""
    stamp = int(at * 1000)
    return f"{stamp:012x}7{chance.getrandbits(12):03x}8{chance.getrandbits(60):015x}"


def _logs(home: Home) -> None:
    for seen in statuses(home, time.time()).values():
        for version in seen.versions:
            for one in version.replicas:
                path = Path(one.log)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_log(one), encoding="utf-8")


def _log(one: ReplicaStatus) -> str:
    lines = [f"2026-11-29 09:00:{n % 60:02d} INFO batch of {n % 8 + 1} rows" for n in range(120)]
    lines[60] = "2026-11-29 09:01:00 WARNING <b>queue</b> of 9 requests"
    return "\n".join([f"serving {one.id} with mlx", *lines]) + "\n"
