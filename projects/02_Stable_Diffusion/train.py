"""Run every technique, each as an MLflow run, and register the best model by Fréchet distance."""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from diffusion import data, gaussian, quality, schedule, serving, tracking
from diffusion.network import Denoiser
from diffusion.sampling import Sampler, sample, starting_noise
from diffusion.training import Training, fit, held_out_loss
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlops_client.mlx import TrainingLogger, log_model
from mlops_client.reference import log_reference
from mlx.utils import tree_flatten

HERE = Path(__file__).parent
SEEDS = (0, 1)
BASELINE = "gaussian"
TECHNIQUES = {
    "ddpm": Sampler(steps=100, eta=1.0),
    "ddim": Sampler(steps=20, eta=0.0),
    "ddim-guided": Sampler(steps=20, eta=0.0, guidance=0.5),
}
CURVE = (1, 2, 3, 5, 10, 20)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("long", "label"), ColSpec("long", "seed", required=False)]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, data.SIDE, data.SIDE), "image")]),
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A denoiser and the run that trained it."""

    run_id: str
    model: Denoiser


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run."""

    run_id: str
    technique: str
    seed: int
    model: Denoiser
    sampler: Sampler
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

    def asked(self, part: str) -> np.ndarray:
        """Return the digits to generate: those of a held-out part, twice."""
        return np.tile(self.parts[part].labels, 2)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[BASELINE, *TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; by default 0 and 1")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--timesteps", type=int, default=100)
    parser.add_argument("--sampling-steps", type=int, help="default: the technique's own")
    parser.add_argument("--guidance", type=float, help="only for ddim-guided; default 0.5")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--components", type=int, default=32, help="of the Gaussian baseline")
    return parser.parse_args(argv)


def run_baseline(bench: Bench, seed: int, options: argparse.Namespace) -> None:
    """Fit and sample the Gaussian of each digit."""
    params = {"components": options.components}
    with tracking.run(BASELINE, seed, params, role="baseline"):
        fitted = gaussian.fit(bench.parts["train"], options.components)
        metrics = {}
        for offset, part in enumerate(("val", "test")):
            labels = bench.asked(part)
            images = gaussian.sample(fitted, labels, 1000 * seed + offset)
            metrics |= bench.scores(images, labels, part)
        for components in (2, 4, 8, 16, 32):
            images = gaussian.sample(
                gaussian.fit(bench.parts["train"], components), bench.asked("val"), seed
            )
            value = bench.scores(images, bench.asked("val"), "val")["val_frechet"]
            mlflow.log_metric("frechet_by_components", value, step=components)
        labels = np.repeat(np.arange(10), 5)
        tracking.log_grid("gaussian.png", gaussian.sample(fitted, labels, seed))
        mlflow.log_metrics(metrics)
    report(BASELINE, seed, metrics)


def train(bench: Bench, seed: int, options: argparse.Namespace, run_id: str) -> Trained:
    """Train a denoiser inside the active run."""
    noise = schedule.linear(options.timesteps)
    training = Training(options.epochs, options.batch_size, options.learning_rate)

    def on_epoch(epoch: int, model: Denoiser) -> None:
        if epoch % 4:
            return
        loss = held_out_loss(model, bench.parts["val"], noise)
        mlflow.log_metric("val_loss", loss, step=epoch)

    with TrainingLogger(log_every=50) as log:
        model = fit(
            bench.parts["train"],
            noise,
            training,
            seed,
            width=options.width,
            on_step=lambda loss, samples: log.step(loss=loss, samples=samples),
            on_epoch=on_epoch,
        )
    return Trained(run_id, model)


def run_technique(
    name: str, bench: Bench, seed: int, options: argparse.Namespace, trained: Trained | None
) -> tuple[Result, Trained]:
    """Sample with one technique, training a denoiser first when none is there for this seed."""
    sampler = chosen_sampler(name, options)
    params = {
        "learning_rate": options.learning_rate,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "timesteps": options.timesteps,
        "width": options.width,
        "schedule": "linear",
        "sampling_steps": sampler.steps,
        "eta": sampler.eta,
        "guidance": sampler.guidance,
    }
    with tracking.run(name, seed, params) as run_id:
        started = time.perf_counter()
        trained = trained or train(bench, seed, options, run_id)
        mlflow.log_param("weights_from_run", trained.run_id)
        metrics = {"train_seconds": time.perf_counter() - started}
        noise = schedule.linear(options.timesteps)
        metrics |= sampled_scores(trained.model, noise, sampler, bench, seed)
        log_steps_curve(trained.model, noise, sampler, bench)
        labels = np.repeat(np.arange(10), 5)
        images = sample(
            trained.model, noise, sampler, labels, starting_noise(np.arange(len(labels)))
        )
        tracking.log_grid(f"{name}.png", images)
        mlflow.log_metrics(metrics)
    report(name, seed, metrics)
    return Result(run_id, name, seed, trained.model, sampler, metrics), trained


def chosen_sampler(name: str, options: argparse.Namespace) -> Sampler:
    """Return a technique's sampler with the command line's changes."""
    sampler = TECHNIQUES[name]
    steps = min(options.sampling_steps or sampler.steps, options.timesteps)
    guidance = sampler.guidance
    if guidance and options.guidance is not None:
        guidance = options.guidance
    return replace(sampler, steps=steps, guidance=guidance)


def sampled_scores(
    model: Denoiser, noise: schedule.Schedule, sampler: Sampler, bench: Bench, seed: int
) -> dict[str, float]:
    """Return the judge's scores for both held-out parts, and the time an image took."""
    metrics: dict[str, float] = {}
    for offset, part in enumerate(("val", "test")):
        labels = bench.asked(part)
        first = 100_000 * (2 * seed + offset)
        start = starting_noise(np.arange(first, first + len(labels)))
        began = time.perf_counter()
        images = sample(model, noise, sampler, labels, start, seed=first)
        metrics["sample_ms_per_image"] = (time.perf_counter() - began) / len(labels) * 1e3
        metrics |= bench.scores(images, labels, part)
    return metrics


def log_steps_curve(
    model: Denoiser, noise: schedule.Schedule, sampler: Sampler, bench: Bench
) -> None:
    """Log quality over the number of sampling steps, the step of the curve being that number."""
    labels = bench.parts["val"].labels
    start = starting_noise(np.arange(len(labels)))
    for steps in (steps for steps in CURVE if steps <= noise.timesteps):
        images = sample(model, noise, replace(sampler, steps=steps), labels, start)
        scores = bench.scores(images, labels, "val")
        mlflow.log_metrics(
            {
                "frechet_by_steps": scores["val_frechet"],
                "class_accuracy_by_steps": scores["val_class_accuracy"],
            },
            step=steps,
        )


def report(technique: str, seed: int, metrics: dict[str, float]) -> None:
    """Print one line about a run."""
    print(
        f"{technique:12} seed {seed}  "
        f"Fréchet val {metrics['val_frechet']:6.2f} test {metrics['test_frechet']:6.2f}  "
        f"class accuracy {metrics['val_class_accuracy']:.3f}  "
        f"nearest ratio {metrics['val_nearest_ratio']:.2f}",
        flush=True,
    )


def register(best: Result, test: data.Digits, options: argparse.Namespace) -> None:
    """Store the best model beside the code and in the registry."""
    weights = dict(tree_flatten(best.model.parameters()))
    config: dict[str, Any] = {
        "width": options.width,
        "blocks": len(best.model.blocks),
        "timesteps": options.timesteps,
        "sampler": asdict(best.sampler),
    }
    tracking.save_local(HERE / "models" / "best", weights, config)
    metadata = {
        "data": "scikit-learn digits, 1,197 training images",
        "task": "class-conditional generation of 8x8 digits",
        "technique": best.technique,
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
    accuracy = quality.accuracy(bench.judge, parts["test"].images, parts["test"].labels)
    floor = bench.scores(parts["train"].images, parts["train"].labels, "val")["val_frechet"]
    print(f"Judge: {accuracy:.3f} on test digits; real training digits have Fréchet {floor:.2f}.")
    names = [BASELINE, *TECHNIQUES] if options.technique == "all" else [options.technique]
    results = []
    for seed in SEEDS if options.seed is None else (options.seed,):
        trained: Trained | None = None
        for name in names:
            if name == BASELINE:
                run_baseline(bench, seed, options)
                continue
            result, trained = run_technique(name, bench, seed, options, trained)
            results.append(result)
    if results:
        register(
            min(results, key=lambda result: result.metrics["val_frechet"]), parts["test"], options
        )


if __name__ == "__main__":
    main()
