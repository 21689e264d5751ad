"""Run every technique, each as an MLflow run, and register the best model at few steps."""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from adaptive import data, quality, serving, tracking
from adaptive.network import Denoiser
from adaptive.sampling import Stop, sample, starting_noise, stops
from adaptive.schedules import SCHEDULES, Schedule
from adaptive.steps import changes, equal_shares
from adaptive.timesteps import LossAware, Timesteps, Uniform
from adaptive.training import Training, fit, held_out_loss
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlops_client.mlx import TrainingLogger, log_model
from mlops_client.reference import log_reference
from mlx.utils import tree_flatten

HERE = Path(__file__).parent
SEEDS = (0, 1)
CURVE = (1, 2, 3, 4, 6, 10, 20)
BASELINE = "linear"


@dataclass(frozen=True, slots=True)
class Technique:
    """What differs from the baseline."""

    schedule: str = "linear"
    loss_aware: bool = False
    placed_steps: bool = False


TECHNIQUES = {
    BASELINE: Technique(),
    "placed-steps": Technique(placed_steps=True),
    "loss-aware": Technique(loss_aware=True),
    "cosine": Technique(schedule="cosine"),
    "cosine-placed": Technique(schedule="cosine", placed_steps=True),
}
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("long", "label"), ColSpec("long", "seed", required=False)]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, data.SIDE, data.SIDE), "image")]),
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A denoiser, its schedule and the run that trained it."""

    run_id: str
    model: Denoiser
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run."""

    run_id: str
    technique: str
    seed: int
    model: Denoiser
    path: list[Stop]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every technique is measured with."""

    parts: dict[str, data.Digits]
    judge: quality.Judge

    def scores(self, images: np.ndarray, labels: np.ndarray, part: str) -> dict[str, float]:
        """Return the judge's scores of generated images against one held-out part."""
        score = quality.score(self.judge, images, labels, self.parts[part], self.parts["train"])
        return {f"{part}_{name}": value for name, value in asdict(score).items()}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[*TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; by default 0 and 1")
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--learning-rate", type=float, default=8e-4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--timesteps", type=int, default=100, help="a multiple of 20")
    parser.add_argument("--sampling-steps", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    chosen = parser.parse_args(argv)
    if chosen.timesteps < 20 or chosen.timesteps % 20:
        parser.error("--timesteps must be a multiple of 20")
    if not 1 <= chosen.sampling_steps <= chosen.timesteps:
        parser.error("--sampling-steps must be between 1 and --timesteps")
    return chosen


def train(
    technique: Technique, bench: Bench, seed: int, options: argparse.Namespace, run_id: str
) -> Trained:
    """Train a denoiser inside the active run."""
    schedule = SCHEDULES[technique.schedule](options.timesteps)
    timesteps: Timesteps = Uniform(options.timesteps)
    if technique.loss_aware:
        timesteps = LossAware(options.timesteps)

    def on_epoch(epoch: int, model: Denoiser) -> None:
        if epoch % 4:
            return
        loss = held_out_loss(model, bench.parts["val"], schedule)
        mlflow.log_metric("val_loss", loss, step=epoch)

    with TrainingLogger(log_every=50) as log:
        model = fit(
            bench.parts["train"],
            schedule,
            timesteps,
            Training(options.epochs, options.batch_size, options.learning_rate),
            seed,
            width=options.width,
            on_step=lambda loss, samples: log.step(loss=loss, samples=samples),
            on_epoch=on_epoch,
        )
    if isinstance(timesteps, LossAware):
        for group, share in enumerate(timesteps.shares.tolist()):
            mlflow.log_metric("timestep_group_share", share, step=group)
    return Trained(run_id, model, schedule)


def params_of(technique: Technique, options: argparse.Namespace) -> dict[str, str | int | float]:
    return {
        "learning_rate": options.learning_rate,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "timesteps": options.timesteps,
        "width": options.width,
        "schedule": technique.schedule,
        "timestep_sampling": "loss-aware" if technique.loss_aware else "uniform",
        "step_placement": "equal-change" if technique.placed_steps else "even",
        "sampling_steps": options.sampling_steps,
    }


def run_technique(
    name: str, bench: Bench, seed: int, options: argparse.Namespace, trained: Trained | None
) -> tuple[Result, Trained]:
    """Measure one technique, training a denoiser first when none like it is there."""
    technique = TECHNIQUES[name]
    role = "baseline" if name == BASELINE else None
    with tracking.run(name, seed, params_of(technique, options), role=role) as run_id:
        started = time.perf_counter()
        trained = trained or train(technique, bench, seed, options, run_id)
        mlflow.log_param("weights_from_run", trained.run_id)
        costs = np.ones(options.timesteps)
        if technique.placed_steps:
            costs = changes(trained.model, trained.schedule, bench.parts["train"])
            for timestep in range(0, options.timesteps, 5):
                mlflow.log_metric("prediction_change", costs[timestep], step=timestep)
        metrics = {"train_seconds": time.perf_counter() - started}
        path = stops(trained.schedule, equal_shares(costs, options.sampling_steps))
        metrics |= sampled_scores(trained.model, path, bench, seed)
        metrics |= log_steps_curve(trained, costs, bench)
        labels = np.repeat(np.arange(10), 5)
        images = sample(trained.model, path, labels, starting_noise(np.arange(len(labels))))
        tracking.log_grid(f"{name}-{options.sampling_steps}-steps.png", images)
        mlflow.log_metrics(metrics)
    print(
        f"{name:14} seed {seed}  Fréchet in {options.sampling_steps} steps: "
        f"val {metrics['val_frechet']:6.2f} test {metrics['test_frechet']:6.2f}  "
        f"in 20: {metrics['val_frechet_20_steps']:5.2f}  "
        f"class accuracy {metrics['val_class_accuracy']:.3f}",
        flush=True,
    )
    return Result(run_id, name, seed, trained.model, path, metrics), trained


def sampled_scores(model: Denoiser, path: list[Stop], bench: Bench, seed: int) -> dict[str, float]:
    """Return the judge's scores for both held-out parts, and the time an image took."""
    metrics: dict[str, float] = {}
    for offset, part in enumerate(("val", "test")):
        labels = np.tile(bench.parts[part].labels, 2)
        first = 100_000 * (2 * seed + offset)
        start = starting_noise(np.arange(first, first + len(labels)))
        began = time.perf_counter()
        images = sample(model, path, labels, start)
        metrics["sample_ms_per_image"] = (time.perf_counter() - began) / len(labels) * 1e3
        metrics |= bench.scores(images, labels, part)
    return metrics


def log_steps_curve(trained: Trained, costs: np.ndarray, bench: Bench) -> dict[str, float]:
    """Log quality over the number of sampling steps; return the quality at 20 steps."""
    labels = np.tile(bench.parts["val"].labels, 2)
    start = starting_noise(np.arange(len(labels)))
    at_20_steps = {}
    for steps in (steps for steps in CURVE if steps <= trained.schedule.timesteps):
        path = stops(trained.schedule, equal_shares(costs, steps))
        scores = bench.scores(sample(trained.model, path, labels, start), labels, "val")
        mlflow.log_metrics(
            {
                "frechet_by_steps": scores["val_frechet"],
                "class_accuracy_by_steps": scores["val_class_accuracy"],
            },
            step=steps,
        )
        if steps == 20:
            at_20_steps["val_frechet_20_steps"] = scores["val_frechet"]
    return at_20_steps


def register(best: Result, test: data.Digits, options: argparse.Namespace) -> None:
    """Store the best model beside the code and in the registry."""
    weights = dict(tree_flatten(best.model.parameters()))
    config: dict[str, Any] = {
        "width": options.width,
        "blocks": len(best.model.blocks),
        "path": [[stop.time, stop.signal] for stop in best.path],
    }
    tracking.save_local(HERE / "models" / "best", weights, config)
    metadata = {
        "data": "scikit-learn digits, 1,197 training images",
        "task": "class-conditional generation of 8x8 digits in few steps",
        "technique": best.technique,
        "sampling_steps": options.sampling_steps,
        "python": platform.python_version(),
        "val_frechet": best.metrics["val_frechet"],
        "test_frechet": best.metrics["test_frechet"],
    }
    with mlflow.start_run(run_id=best.run_id):
        log_model(
            name=tracking.MODEL_NAME,
            weights=weights,
            config=config,
            entry=serving.ENTRY,
            signature=SIGNATURE,
            metadata=metadata,
            tags={"mlops.technique": best.technique},
        )
        asked = {"label": np.tile(test.labels, 2), "seed": np.arange(2 * len(test))}
        answers = serving.predictor(weights, config)(asked)
        # A seed is a number that somebody draws: other ones are no drift.
        log_reference(inputs={"label": asked["label"]}, outputs=answers, ignored=["seed"])
    print(f"Registered {tracking.MODEL_NAME}: {best.technique}, seed {best.seed}.")


def main() -> None:
    options = arguments()
    parts = data.load()
    bench = Bench(parts, quality.train_judge(parts["train"]))
    floor = bench.scores(parts["train"].images, parts["train"].labels, "val")["val_frechet"]
    print(f"Real training digits have Fréchet {floor:.2f}.")
    names = list(TECHNIQUES) if options.technique == "all" else [options.technique]
    results = []
    for seed in SEEDS if options.seed is None else (options.seed,):
        alike: dict[tuple[str, bool], Trained] = {}
        for name in names:
            key = (TECHNIQUES[name].schedule, TECHNIQUES[name].loss_aware)
            result, alike[key] = run_technique(name, bench, seed, options, alike.get(key))
            results.append(result)
    register(min(results, key=lambda result: result.metrics["val_frechet"]), parts["test"], options)


if __name__ == "__main__":
    main()
