"""Runs as nine small projects leave them: repeats, curves, surroundings, every state, odd names."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.engines.mlflow.models import Metric, Point, Status, TrackedRun
from services.mirror.events import now_ms
from services.mirror.store import Store

HOSTILE = "<img src=x onerror=alert(1)> **bold** :material/home: $x$"
PROJECTS = (
    ("lora-finetuning", "LoRA fine-tuning", "val_accuracy", "max", ("full", "lora-r4", "lora-r8")),
    ("stable-diffusion", "Stable diffusion", "sample_quality", "max", ("ddpm", "ddim-50")),
    ("quantized-optimization", "Quantized optimization", "val_accuracy", "max", ("fp32", "q8")),
    ("clip-finetuning", "CLIP fine-tuning", "recall_at_1", "max", ("frozen", "two-tower")),
    ("federated-learning", "Federated learning", "val_accuracy", "max", ("fedavg", "fedprox")),
    ("self-improving-diffusion", "Self-improving diffusion", "val_loss", "min", ("once", "loop")),
)
_HOUR_MS = 3_600_000
_STEPS = 60


def run_id(project: int, index: int) -> str:
    return f"{project:02d}{index:02d}".ljust(32, "b")


def fill(store: Store, *, repeats: int = 5) -> None:
    """Write six projects with ``repeats`` runs of each technique, and one run of every state."""
    chance = random.Random(7)  # noqa: S311 - the same runs every time
    store.write_engine("controller", "Controller", "live")
    store.write_engine("mlflow", "MLflow", "live")
    for place, (project, title, metric, goal, techniques) in enumerate(PROJECTS):
        store.write_project(project, "connected", _document(place, title, metric, goal))
        kind = Kind(place, project, metric, goal, techniques[0], 0)
        runs = list(_runs(chance, kind, techniques, repeats))
        store.write_runs(project, [run for run, _ in runs])
        for run, curves in runs:
            for key, points in curves.items():
                store.extend_curve(run.run_id, key, points)
    store.mark_lost({run_id(1, 90): "No heartbeat for 4 min, and process 4711 is gone."})
    store.write_artifacts(
        run_id(0, 0),
        [
            ("model", True, None),
            ("model/MLmodel", False, 812),
            ("model/config.json", False, 1_204),
            ("model/model.safetensors", False, 1_843_200),
            ("plots/confusion.png", False, 8_411),
        ],
    )


def _document(place: int, title: str, metric: str, goal: str) -> dict[str, object]:
    return {
        "title": title,
        "kind": "easy",
        "priority": 5,
        "path": f"/toolkit/projects/{place + 1:02d}",
        "primary_metric": metric,
        "goal": goal,
        "gates": {},
        "checks": [],
        "reasons": [],
        "conformance": 1.0,
    }


@dataclass(frozen=True)
class Kind:
    """What the runs of one technique have in common."""

    place: int
    project: str
    metric: str
    goal: str
    technique: str
    rank: int


Curves = dict[str, list[Point]]


def example(place: int, index: int, *, project: str, metric: str) -> TrackedRun:
    """One more finished run of a project, without its curves."""
    kind = Kind(place, project, metric, "max", "lora-r8", 1)
    return _run(random.Random(index), kind, index, 0)[0]  # noqa: S311 - the same every time


WIDE, MANY = "clip-finetuning", 5_000


def fill_wide(store: Store) -> None:
    """Write two runs of ``MANY`` metric names into one of the projects."""
    runs = []
    for index in range(2):
        run = example(6, index, project=WIDE, metric="recall_at_1")
        at = run.started_ms or 0
        metrics = {f"layer_{n:04}_norm": Metric(n + index / 10, 5, at) for n in range(MANY)}
        params = {f"layer_{n:04}_start": f"{index}" for n in range(300)}
        both = {**run.metrics, **metrics}, {**run.params, **params}
        runs.append(replace(run, metrics=both[0], params=both[1]))
    store.write_runs(WIDE, runs)


def _runs(
    chance: random.Random, kind: Kind, techniques: tuple[str, ...], repeats: int
) -> Iterator[tuple[TrackedRun, Curves]]:
    index = 0
    for rank, technique in enumerate(techniques):
        for seed in range(repeats):
            own = replace(kind, technique=technique, rank=rank)
            yield _run(chance, own, index, seed)
            index += 1
    states: dict[int, Status] = {90: "running", 91: "running", 92: "failed", 93: "killed"}
    for number, status in states.items():
        run, curves = _run(chance, replace(kind, technique=techniques[-1], rank=1), number, 9)
        yield _in_state(run, status, kind.project), curves


def _in_state(run: TrackedRun, status: Status, project: str) -> TrackedRun:
    metrics = dict(run.metrics)
    at = run.started_ms or 0
    if status == "failed":
        metrics["loss"] = Metric(math.nan, 40, at)
        metrics["grad_norm"] = Metric(math.inf, 40, at)
    name = HOSTILE if (project, status) == ("lora-finetuning", "failed") else run.name
    ended = None if status == "running" else run.ended_ms
    return replace(run, name=name, status=status, ended_ms=ended, metrics=metrics)


def _run(chance: random.Random, kind: Kind, index: int, seed: int) -> tuple[TrackedRun, Curves]:
    place, metric, rank = kind.place, kind.metric, kind.rank
    started = now_ms() - (100 - index) * _HOUR_MS // 2 - place * 400_000
    best = 0.80 + 0.03 * rank + chance.gauss(0, 0.01)
    curves = _curves(chance, kind, started, best)
    final = best if kind.goal == "max" else 1.2 - best
    at, last = started + 90_000, _STEPS - 1
    run = TrackedRun(
        run_id=run_id(place, index),
        experiment_id=str(place + 1),
        name=f"{kind.technique}-seed{seed}",
        status="finished",
        user="mira",
        started_ms=started,
        ended_ms=at + chance.randrange(60_000),
        deleted=False,
        artifact_uri=f"mlflow-artifacts:/{place + 1}/{run_id(place, index)}/artifacts",
        metrics={
            metric: Metric(final, last, at),
            "loss": Metric(curves["loss"][-1].value, last, at),
            "step_time_ms": Metric(12 + 3 * rank + chance.random(), last, at),
            "mlx_peak_bytes": Metric(410e6 + 9e7 * rank, last, at),
        },
        params={
            "rank": str(4 << rank),
            "learning_rate": str(chance.choice([0.001, 0.0003, 0.002])),
            "optimizer": chance.choice(["adam", "adamw"]),
            "epochs": "3",
            "batch_size": "32",
        },
        tags=_tags(kind, index, seed),
    )
    return run, curves


def _curves(chance: random.Random, kind: Kind, started: int, best: float) -> Curves:
    loss, quality = [], []
    for step in range(_STEPS):
        at = started + step * 1_500
        share = 1 - math.exp(-step / 15)
        loss.append(Point(2.2 * (1 - share) + 0.2 + chance.gauss(0, 0.03), step, at))
        value = 0.1 + (best - 0.1) * share + chance.gauss(0, 0.008)
        quality.append(Point(value if kind.goal == "max" else 1.3 - value, step, at))
    return {"loss": loss, kind.metric: quality}


def _tags(kind: Kind, index: int, seed: int) -> dict[str, str]:
    studio = seed % 2
    packages = {
        "mlx": "0.32.4" if studio else "0.31.2",
        "numpy": "2.4.1",
        "mlflow-skinny": "3.17.2",
    }
    tags = {
        "mlops.project": kind.project,
        "mlops.technique": kind.technique,
        "mlops.seed": str(seed),
        "mlops.git.commit": f"{(kind.place * 31 + kind.rank) % 7:x}7c41d9e2b".ljust(40, "0"),
        "mlops.git.dirty": "true" if seed == 4 else "false",
        "mlops.data.revision": f"v{1 + (index > 7)}",
        "mlops.host": "mac-studio" if studio else "mac-mini",
        "mlops.chip": "Apple M2 Ultra" if studio else "Apple M4",
        "mlops.memory_bytes": "206158430208" if studio else "34359738368",
        "mlops.backend": "mlx-metal" if studio else "mlx-cpu",
        "mlops.packages": json.dumps(packages),
        "mlflow.user": "mira",
    }
    return tags | ({"mlops.role": "baseline"} if kind.rank == 0 else {})
