"""Runs that tell what they cost: measured, estimated and unavailable, alike and not."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from services.engines.mlflow.models import Metric, TrackedRun
from services.mirror.events import now_ms
from services.mirror.store import Store
from services.telemetry.conditions import Conditions, Neighbour

_HOUR_MS = 3_600_000
SILENT = "macmon is not installed, and macOS tells no power without it"


class Kind(NamedTuple):
    """What the repeats of one technique have in common; ``joules`` None: nobody told them."""

    technique: str
    quality: float
    seconds: float
    peak: float
    joules: float | None
    baseline: bool = False
    energy: str = "measured"
    chip: str = "Apple M4"
    throttled: tuple[float, ...] = (0.0,)


PROJECTS: tuple[tuple[str, str, str, str, tuple[Kind, ...]], ...] = (
    (
        "lora-finetuning", "LoRA fine-tuning", "val_accuracy", "max",
        (
            Kind("full", 0.912, 840, 6.1e9, 15_400, baseline=True),
            Kind("lora-r4", 0.874, 96, 1.4e9, 1_250),
            Kind("lora-r8", 0.903, 131, 1.6e9, 1_720, throttled=(0.0, 0.6)),
            Kind("dora", 0.899, 214, 2.0e9, 2_900, energy="estimated"),
            Kind("prompt", 0.801, 150, 1.9e9, None),
        ),
    ),
    (
        "quantized-optimization", "Quantized optimization", "val_accuracy", "max",
        (
            Kind("full", 0.931, 61, 2.4e9, 610, baseline=True),
            Kind("q8", 0.929, 34, 1.1e9, 290, chip="Apple M2 Ultra"),
            Kind("q4", 0.918, 30, 0.7e9, 240),
        ),
    ),
    (
        "self-improving-diffusion", "Self-improving diffusion", "val_loss", "min",
        (
            Kind("once", 0.42, 300, 3.1e9, 4_100, baseline=True),
            Kind("loop", 0.31, 910, 3.2e9, 12_800),
            Kind("lora-r8", 0.36, 280, 2.2e9, 3_700),
        ),
    ),
    ("clip-finetuning", "CLIP fine-tuning", "recall_at_1", "max",
     (Kind("frozen", 0.61, 45, 0.9e9, None, baseline=True),)),
)  # fmt: skip


def fill(store: Store, *, repeats: int = 5) -> None:
    """Write four projects with ``repeats`` runs of each technique."""
    for name in ("controller", "mlflow", "telemetry"):
        store.write_engine(name, name.title(), "live")
    for place, (project, title, metric, goal, kinds) in enumerate(PROJECTS):
        path = f"/toolkit/projects/{place + 1:02d}"
        document = {"title": title, "path": path, "primary_metric": metric, "goal": goal}
        store.write_project(project, "connected", document)
        chance = random.Random(place)  # noqa: S311 - the same runs every time
        runs = list(_runs(chance, place, project, metric, kinds, repeats))
        store.write_runs(project, runs)


def run_id(place: int, index: int) -> str:
    return f"{place:02d}{index:03d}".ljust(32, "c")


def _runs(
    chance: random.Random,
    place: int,
    project: str,
    metric: str,
    kinds: tuple[Kind, ...],
    repeats: int,
) -> Iterator[TrackedRun]:
    index = 0
    for kind in kinds:
        for seed in range(repeats):
            seconds = kind.seconds * chance.gauss(1, 0.03)
            began = now_ms() - (90 - index) * _HOUR_MS // 2 - place * 1000
            yield TrackedRun(
                run_id=run_id(place, index),
                experiment_id=str(place + 1),
                name=f"{kind.technique}-seed{seed}",
                status="finished",
                user="mira",
                started_ms=began,
                ended_ms=began + int(seconds * 1000),
                deleted=False,
                artifact_uri=None,
                metrics=_metrics(chance, metric, kind, began),
                params={"seed": str(seed)},
                tags=_tags(project, kind, seed, seconds),
            )
            index += 1


def _metrics(chance: random.Random, metric: str, kind: Kind, at: int) -> dict[str, Metric]:
    values = {
        metric: kind.quality + chance.gauss(0, 0.006),
        "system/peak_memory_bytes": kind.peak * chance.gauss(1.1, 0.01),
        "system/mlx_peak_bytes": kind.peak * chance.gauss(1, 0.01),
    }
    if kind.joules is not None:
        values["system/energy_j"] = kind.joules * chance.gauss(1, 0.04)
    return {name: Metric(value, 10, at) for name, value in values.items()}


def _tags(project: str, kind: Kind, seed: int, seconds: float) -> dict[str, str]:
    hot = kind.throttled[seed % len(kind.throttled)] * seconds
    ran_under = Conditions(
        host="mac-mini", seconds=seconds, coverage=0.99, chip=kind.chip, gpu_cores=10,
        thermal_max=2 if hot else 0, thermal_mean=2 * hot / seconds,
        thermal_s={"0": seconds - hot, "2": hot}, low_power=0.0, battery=0.0, pressure=0.0,
        pressure_max=1, swap_in_bytes=0.0, fallback=False, neighbours=(Neighbour("", 0.04, None),),
    )  # fmt: skip
    found = {
        "mlops.project": project,
        "mlops.technique": kind.technique,
        "mlops.host": "mac-mini",
        "mlops.chip": kind.chip,
        "mlops.energy.quality": kind.energy if kind.joules is not None else "unavailable",
        "mlops.conditions": ran_under.to_json(),
    }
    if kind.joules is None:
        found["mlops.energy.reason"] = SILENT
    else:
        found["mlops.energy.boundary"] = "cpu+gpu+ane"
    return found | ({"mlops.role": "baseline"} if kind.baseline else {})
