"""Run every technique, each as an MLflow run with one round a step, and register the best model."""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow
import mlx.core as mx
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlops_client.mlx import TrainingLogger, log_model
from mlops_client.reference import log_reference
from selfimprove import data, filters, quality, serving, tracking
from selfimprove.generator import TIMESTEPS, Generator, sample, starting_noise
from selfimprove.judging import Judged, judge_samples
from selfimprove.labels import noisy_few
from selfimprove.loop import Plan, Round, run
from selfimprove.network import Denoiser
from selfimprove.stopping import StoppingRule

HERE = Path(__file__).parent
SEEDS = (0, 1)
BASELINE = "real-only"


@dataclass(frozen=True, slots=True)
class Technique:
    """What a round trains on."""

    scores: filters.Scores | None
    synthetic_share: float
    """Of a batch."""


TECHNIQUES = {
    BASELINE: Technique(None, 0.0),
    "unfiltered": Technique(filters.anything, 0.5),
    "confidence": Technique(filters.confidence, 0.5),
    "synthetic-only": Technique(filters.confidence, 1.0),
}
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("long", "label"), ColSpec("long", "seed", required=False)]),
    outputs=Schema([TensorSpec(np.dtype("float32"), (-1, data.SIDE, data.SIDE), "image")]),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run and its best round's model."""

    run_id: str
    technique: str
    seed: int
    weights: dict[str, mx.array]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Start:
    """What all techniques of one seed start from."""

    generator: Generator
    real: data.Digits
    scorer: quality.Judge
    losses: list[float]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every technique is measured with."""

    parts: dict[str, data.Digits]
    judge: quality.Judge
    sampling_steps: int

    def score(self, model: Denoiser, part: str, first: int) -> Judged:
        """Return the judge's view of 600 samples against one held-out part."""
        labels = np.tile(self.parts[part].labels, 2)
        start = starting_noise(first + np.arange(len(labels)))
        images = sample(model, labels, start, steps=self.sampling_steps)
        made = data.Digits(images, labels)
        return judge_samples(self.judge, made, self.parts[part], self.parts["train"])


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[*TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; by default 0 and 1")
    parser.add_argument("--real-images", type=int, default=600, help="what the loop starts from")
    parser.add_argument("--label-noise", type=float, default=0.3, help="share labelled at random")
    parser.add_argument("--epochs", type=int, default=50, help="on them, before the loop")
    parser.add_argument("--rounds", type=int, default=6, help="at most")
    parser.add_argument("--steps", type=int, default=75, help="of training a round")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--samples", type=int, default=600, help="generated a round")
    parser.add_argument("--kept-share", type=float, default=0.5)
    parser.add_argument("--sampling-steps", type=int, default=10)
    parser.add_argument("--patience", type=int, default=2, help="rounds without improvement")
    parser.add_argument("--least-improvement", type=float, default=0.5, help="in joint Fréchet")
    parser.add_argument("--width", type=int, default=96)
    chosen = parser.parse_args(argv)
    if not 50 <= chosen.real_images <= 1197:
        parser.error("--real-images must be between 50 and 1197")
    return chosen


def begin(bench: Bench, seed: int, options: argparse.Namespace) -> Start:
    """Train the generator and the scorer on the few real images."""
    real = noisy_few(bench.parts["train"], options.real_images, options.label_noise, seed)
    generator = Generator(options.width, options.learning_rate, seed)
    losses: list[float] = []
    generator.train(
        real,
        None,
        steps=options.epochs * len(real) // options.batch_size,
        batch_size=options.batch_size,
        synthetic_share=0.0,
        on_step=lambda loss, _: losses.append(loss),
    )
    return Start(generator, real, quality.train_judge(real, epochs=15, seed=100 + seed), losses)


def plan_for(technique: str, options: argparse.Namespace) -> Plan:
    """Return what a technique does every round."""
    chosen = TECHNIQUES[technique]
    return Plan(
        scores=chosen.scores,
        kept_share=1.0 if technique == "unfiltered" else options.kept_share,
        samples=options.samples,
        steps=options.steps,
        batch_size=options.batch_size,
        synthetic_share=chosen.synthetic_share,
        sampling_steps=options.sampling_steps,
        most_rounds=options.rounds,
    )


def params_of(
    plan: Plan, patience: int, options: argparse.Namespace
) -> dict[str, str | int | float]:
    return {
        "learning_rate": options.learning_rate,
        "batch_size": plan.batch_size,
        "epochs": options.epochs,
        "timesteps": TIMESTEPS,
        "sampling_steps": plan.sampling_steps,
        "width": options.width,
        "real_images": options.real_images,
        "label_noise": options.label_noise,
        "filter": "none" if plan.scores is None else plan.scores.__name__,
        "kept_share": plan.kept_share if plan.scores else 0.0,
        "synthetic_share": plan.synthetic_share,
        "steps_a_round": plan.steps,
        "most_rounds": plan.most_rounds,
        "patience": patience,
        "least_improvement": options.least_improvement,
    }


def log_round(done: Round) -> None:
    """Log what came of a round, the round being the step."""
    mlflow.log_metrics(
        {
            **{f"round_{name}": value for name, value in asdict(done.judged).items()},
            "round_samples_kept": float(done.kept),
        },
        step=done.number,
    )


def run_technique(
    name: str, bench: Bench, start: Start, seed: int, options: argparse.Namespace
) -> Result:
    """Run the loop with one filter as one MLflow run."""
    plan = plan_for(name, options)
    # The baseline takes every step the others might: it is to have no less compute than any.
    patience = plan.most_rounds + 1 if name == BASELINE else options.patience
    rule = StoppingRule(patience=patience, least=options.least_improvement)
    role = "baseline" if name == BASELINE else None
    with tracking.run(name, seed, params_of(plan, patience, options), role=role) as run_id:
        began = time.perf_counter()
        generator, best, rounds = start.generator.copy(seed + 1), None, 0
        with TrainingLogger(log_every=75) as log:
            for done in run(
                generator,
                start.real,
                start.scorer,
                plan,
                rule,
                judge=lambda it: bench.score(it.mean, "val", 10_000_000),
                on_step=lambda loss, samples: log.step(loss=loss, samples=samples),
                seed=100 * (seed + 1),
            ):
                log_round(done)
                rounds = done.number
                best = done if done.best else best
        if best is None:
            raise SystemExit("No round gave a Fréchet distance: training diverged.")
        metrics = finish(bench, best, options)
        metrics |= {
            "rounds": float(rounds),
            "stopped_early": float(rounds < plan.most_rounds),
            "train_seconds": time.perf_counter() - began,
        }
        mlflow.log_metrics(metrics, step=rounds)
        log_samples(name, best, options)
    print(
        f"{name:14} seed {seed}  rounds {rounds}, best {best.number}  "
        f"joint Fréchet val {metrics['val_joint_frechet']:6.2f} "
        f"test {metrics['test_joint_frechet']:6.2f}  Fréchet {metrics['val_frechet']:6.2f}  "
        f"class accuracy {metrics['val_class_accuracy']:.3f}  "
        f"nearest ratio {metrics['val_nearest_ratio']:.2f}",
        flush=True,
    )
    return Result(run_id, name, seed, best.weights, metrics)


def model_of(weights: dict[str, mx.array], width: int) -> Denoiser:
    model = Denoiser(width)
    model.load_weights(list(weights.items()))
    return model


def finish(bench: Bench, best: Round, options: argparse.Namespace) -> dict[str, float]:
    """Return the best round's scores; on the test part they were not chosen by."""
    test = bench.score(model_of(best.weights, options.width), "test", 20_000_000)
    return {
        "best_round": float(best.number),
        **{f"val_{name}": value for name, value in asdict(best.judged).items()},
        **{f"test_{name}": value for name, value in asdict(test).items()},
    }


def log_samples(name: str, best: Round, options: argparse.Namespace) -> None:
    """Log a grid of the best round's samples."""
    labels = np.repeat(np.arange(data.CLASSES), 5)
    images = sample(
        model_of(best.weights, options.width),
        labels,
        starting_noise(np.arange(len(labels))),
        steps=options.sampling_steps,
    )
    tracking.log_grid(f"{name}.png", images)


def register(best: Result, test: data.Digits, options: argparse.Namespace) -> None:
    """Store the best model beside the code and in the registry."""
    config = {"width": options.width, "blocks": 3, "sampling_steps": options.sampling_steps}
    tracking.save_local(HERE / "models" / "best", best.weights, config)
    metadata = {
        "data": f"scikit-learn digits, {options.real_images} real images and its own samples",
        "task": "class-conditional generation of 8x8 digits",
        "technique": best.technique,
        "python": platform.python_version(),
        "val_joint_frechet": best.metrics["val_joint_frechet"],
        "test_joint_frechet": best.metrics["test_joint_frechet"],
    }
    with mlflow.start_run(run_id=best.run_id):
        log_model(
            name=tracking.MODEL_NAME,
            weights=best.weights,
            config=config,
            entry=serving.ENTRY,
            signature=SIGNATURE,
            metadata=metadata,
            tags={"mlops.technique": best.technique},
        )
        asked = {"label": np.tile(test.labels, 2), "seed": np.arange(2 * len(test))}
        answers = serving.predictor(best.weights, config)(asked)
        # A seed is a number that somebody draws: other ones are no drift.
        log_reference(inputs={"label": asked["label"]}, outputs=answers, ignored=["seed"])
    print(f"Registered {tracking.MODEL_NAME}: {best.technique}, seed {best.seed}.")


def main() -> None:
    options = arguments()
    parts = data.load()
    bench = Bench(parts, quality.train_judge(parts["train"]), options.sampling_steps)
    names = list(TECHNIQUES) if options.technique == "all" else [options.technique]
    results = []
    for seed in SEEDS if options.seed is None else (options.seed,):
        start = begin(bench, seed, options)
        accuracy = quality.accuracy(start.scorer, parts["test"].images, parts["test"].labels)
        print(f"Seed {seed}: {len(start.real)} real images; the scorer reads {accuracy:.3f}.")
        results += [run_technique(name, bench, start, seed, options) for name in names]
    register(
        min(results, key=lambda result: result.metrics["val_joint_frechet"]), parts["test"], options
    )


if __name__ == "__main__":
    main()
