"""Runs as nine small projects leave them: repeats, curves, surroundings, every state, odd names."""

import json
import math
import random
from collections.abc import Iterator
from typing import Any

from services.engines.mlflow.models import Metric, Point, TrackedRun
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
        runs = list(_runs(chance, place, project, metric, goal, techniques, repeats))
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


def _runs(
    chance: Any, place: Any, project: Any, metric: Any, goal: Any, techniques: Any, repeats: Any
) -> Iterator:
    index = 0
    for rank, technique in enumerate(techniques):
        for seed in range(repeats):
            yield _run(chance, place, index, project, metric, goal, technique, rank, seed)
            index += 1
    states = {90: "running", 91: "running", 92: "failed", 93: "killed"}
    for number, status in states.items():
        run, curves = _run(chance, place, number, project, metric, goal, techniques[-1], 1, 9)
        yield _in_state(run, number, status, project), curves


def _in_state(run: TrackedRun, number: int, status: str, project: str) -> TrackedRun:
    from dataclasses import replace

    metrics = dict(run.metrics)
    if status == "failed":
        metrics["loss"] = Metric(math.nan, 40, run.started_ms)
        metrics["grad_norm"] = Metric(math.inf, 40, run.started_ms)
    name = HOSTILE if (project, status) == ("lora-finetuning", "failed") else run.name
    ended = None if status == "running" else run.ended_ms
    return replace(run, name=name, status=status, ended_ms=ended, metrics=metrics)


def _run(
    chance: Any,
    place: Any,
    index: Any,
    project: Any,
    metric: Any,
    goal: Any,
    technique: Any,
    rank: Any,
    seed: Any,
):
    now = now_ms()
    started = now - (100 - index) * _HOUR_MS // 2 - place * 400_000
    best = 0.80 + 0.03 * rank + chance.gauss(0, 0.01)
    loss, quality = [], []
    for step in range(_STEPS):
        at = started + step * 1_500
        share = 1 - math.exp(-step / 15)
        loss.append(Point(2.2 * (1 - share) + 0.2 + chance.gauss(0, 0.03), step, at))
        value = 0.1 + (best - 0.1) * share + chance.gauss(0, 0.008)
        quality.append(Point(value if goal == "max" else 1.3 - value, step, at))
    final = best if goal == "max" else 1.2 - best
    tags = {
        "mlops.project": project,
        "mlops.technique": technique,
        "mlops.seed": str(seed),
        "mlops.git.commit": f"{(place * 31 + rank) % 7:x}7c41d9e2b{place}a".ljust(40, "0"),
        "mlops.git.dirty": "true" if seed == 4 else "false",
        "mlops.data.revision": f"v{1 + (index > 7)}",
        "mlops.host": "mac-studio" if seed % 2 else "mac-mini",
        "mlops.chip": "Apple M2 Ultra" if seed % 2 else "Apple M4",
        "mlops.memory_bytes": "206158430208" if seed % 2 else "34359738368",
        "mlops.backend": "mlx-metal" if seed % 2 else "mlx-cpu",
        "mlops.packages": json.dumps(
            {"mlx": "0.32.4" if seed % 2 else "0.31.2", "numpy": "2.4.1", "mlflow-skinny": "3.17.2"}
        ),
        "mlflow.user": "mira",
    }
    if rank == 0:
        tags["mlops.role"] = "baseline"
    run = TrackedRun(
        run_id=run_id(place, index),
        experiment_id=str(place + 1),
        name=f"{technique}-seed{seed}",
        status="finished",
        user="mira",
        started_ms=started,
        ended_ms=started + 90_000 + chance.randrange(60_000),
        deleted=False,
        artifact_uri=f"mlflow-artifacts:/{place + 1}/{run_id(place, index)}/artifacts",
        metrics={
            metric: Metric(final, _STEPS - 1, started + 90_000),
            "loss": Metric(loss[-1].value, _STEPS - 1, started + 90_000),
            "step_time_ms": Metric(12 + 3 * rank + chance.random(), _STEPS - 1, started + 90_000),
            "mlx_peak_bytes": Metric(410e6 + 9e7 * rank, _STEPS - 1, started + 90_000),
        },
        params={
            "rank": str(4 << rank),
            "learning_rate": str(chance.choice([0.001, 0.0003, 0.002])),
            "optimizer": chance.choice(["adam", "adamw"]),
            "epochs": "3",
            "batch_size": "32",
        },
        tags=tags,
    )
    return run, {"loss": loss, metric: quality}
