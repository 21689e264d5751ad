"""Learn to learn: compare starts for few-shot tasks, register the best by validation accuracy."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from meta import serving, tracking
from meta.learning import (
    Inner,
    accuracies,
    confidence_interval,
    fomaml_gradients,
    joint,
    query_loss,
    reptile,
)
from meta.network import Parameters, adapters, initial
from meta.tasks import PIXELS, Tasks, images, sample
from meta.techniques import TECHNIQUES, Technique
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlops_client.mlx import TrainingLogger, log_model

HERE = Path(__file__).parent
QUERIES = 5
JOINT_STEPS = 400
CURVE_EVERY = 20
LABELS = TensorSpec(np.dtype("int64"), (-1,), "label")
SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, PIXELS), "pixels"), LABELS]),
    outputs=Schema([LABELS, TensorSpec(np.dtype("float32"), (-1,), "confidence")]),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """The tasks of one seed: the same for all techniques."""

    pictures: dict[int, np.ndarray]
    validation: Tasks
    test: Tasks
    options: argparse.Namespace

    def draw(self, rng: np.random.Generator) -> Tasks:
        """Return a batch of training tasks."""
        return sample(
            self.pictures,
            "train",
            self.options.batch_size,
            rng,
            shots=self.options.shots,
            queries=QUERIES,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run and what it learned."""

    run_id: str
    technique: str
    seed: int
    parameters: Parameters
    config: dict[str, Any]
    metrics: dict[str, float]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[*TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; default: 0 and 1")
    parser.add_argument("--iterations", type=int, help="of the outer loop; default: its own")
    parser.add_argument("--inner-rate", type=float, help="default: the technique's own")
    parser.add_argument("--outer-rate", type=float, help="default: the technique's own")
    parser.add_argument("--shots", type=int, choices=(1, 2, 3), default=2, help="of each digit")
    parser.add_argument("--inner-steps", type=int, default=4, help="while meta-learning")
    parser.add_argument("--adaptation-steps", type=int, default=8, help="on a new world")
    parser.add_argument("--batch-size", type=int, default=8, help="tasks an iteration")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--alpha", type=float, default=8.0)
    return parser.parse_args(argv)


def chosen(name: str, options: argparse.Namespace) -> Technique:
    """Return a technique with the changes asked on the command line."""
    technique = TECHNIQUES[name]
    if technique.baseline:
        return replace(technique, inner_rate=options.inner_rate or technique.inner_rate)
    return replace(
        technique,
        inner_rate=options.inner_rate or technique.inner_rate,
        outer_rate=options.outer_rate or technique.outer_rate,
        iterations=options.iterations or technique.iterations,
    )


def setting(options: argparse.Namespace) -> Setting:
    """Return the pictures and the fixed tasks that every run is measured on."""
    pictures = images(HERE / "data")
    fixed = {
        split: sample(
            pictures,
            split,
            count,
            np.random.default_rng(number),
            shots=options.shots,
            queries=QUERIES,
        )
        for number, (split, count) in enumerate({"validation": 64, "test": 200}.items())
    }
    return Setting(pictures, fixed["validation"], fixed["test"], options)


def jointly_trained(place: Setting, seed: int, log: TrainingLogger | None = None) -> Parameters:
    """Return a network trained in the ordinary way on all training worlds together."""
    mx.random.seed(seed)
    rng = np.random.default_rng(seed)
    return joint(
        initial(),
        lambda: sample(place.pictures, "train", 4, rng, shots=1, queries=QUERIES),
        steps=JOINT_STEPS,
        on_step=lambda loss: log.step(loss=loss, samples=200) if log else None,
    )


def meta_train(
    start: Parameters, technique: Technique, inner: Inner, place: Setting, seed: int
) -> Parameters:
    """Return the start after the outer loop, with its curves in the active run."""
    parameters, rng = dict(start), np.random.default_rng(seed)
    optimizer = optim.Adam(technique.outer_rate)
    with TrainingLogger(log_every=5) as log:
        for iteration in range(1, technique.iterations + 1):
            tasks = place.draw(rng)
            if technique.outer == "fomaml":
                loss, slope = fomaml_gradients(parameters, tasks, inner)
                parameters = optimizer.apply_gradients(slope, parameters)
            else:
                loss = query_loss(parameters, tasks, inner) if iteration % 5 == 1 else loss
                parameters = reptile(parameters, tasks, inner, technique.outer_rate)
            mx.eval(parameters)
            log.step(loss=loss, samples=len(tasks.query) * tasks.query.shape[1])
            if iteration % CURVE_EVERY == 0:
                values = accuracies(parameters, place.validation, inner, inner.steps)
                mlflow.log_metric("val_curve_accuracy", float(values.mean()), step=iteration)
    return parameters


def final_metrics(
    parameters: Parameters, inner: Inner, place: Setting, steps: int
) -> dict[str, float]:
    """Return few-shot accuracy on unseen worlds and digits, with its 95 % interval."""
    validation = accuracies(parameters, place.validation, inner, steps)
    mean, low, high = confidence_interval(accuracies(parameters, place.test, inner, steps))
    changed = [v for k, v in parameters.items() if k[0] in "ab" and k[1:].isdigit()]
    return {
        "val_few_shot_accuracy": float(validation.mean()),
        "few_shot_accuracy": mean,
        "few_shot_accuracy_ci_low": low,
        "few_shot_accuracy_ci_high": high,
        "adapted_parameters": float(
            sum(v.size for v in (changed if inner.lora else parameters.values()))
        ),
    }


def run(technique: Technique, seed: int, together: Parameters, place: Setting) -> Result:
    """Run one technique with one seed as one MLflow run."""
    options = place.options
    mx.random.seed(seed)
    base = together if technique.joint else initial()
    start = base | (adapters(base, options.rank) if technique.lora else {})
    inner = Inner(technique.lora, options.inner_steps, technique.inner_rate, options.alpha)
    params: dict[str, Any] = {
        "learning_rate": technique.outer_rate or technique.inner_rate,
        "inner_learning_rate": technique.inner_rate,
        "batch_size": options.batch_size,
        "iterations": technique.iterations,
        "inner_steps": options.inner_steps,
        "adaptation_steps": options.adaptation_steps,
        "shots": options.shots,
        "outer": technique.outer,
        "joint_training_steps": JOINT_STEPS if technique.joint else 0,
    }
    if technique.lora:
        params |= {"rank": options.rank, "alpha": options.alpha, "target_modules": "all"}
    role = "baseline" if technique.baseline else None
    with tracking.run(technique.name, seed, params, role=role) as run_id:
        if technique.name == "fine-tuning":
            # The curve of the joint training belongs to the baseline that is nothing else.
            with TrainingLogger(log_every=10) as log:
                start = jointly_trained(place, seed, log)
        elif not technique.baseline:
            start = meta_train(start, technique, inner, place, seed)
        metrics = final_metrics(start, inner, place, options.adaptation_steps)
        mlflow.log_metrics(metrics, step=technique.iterations)
    print(
        f"{technique.name:16} seed {seed}  val {metrics['val_few_shot_accuracy']:.3f}  "
        f"test {metrics['few_shot_accuracy']:.3f} "
        f"[{metrics['few_shot_accuracy_ci_low']:.3f}, {metrics['few_shot_accuracy_ci_high']:.3f}]  "
        f"{metrics['adapted_parameters']:,.0f} adapted",
        flush=True,
    )
    config = serving.configuration(inner, options.adaptation_steps)
    return Result(run_id, technique.name, seed, start, config, metrics)


def one_seed(names: list[str], seed: int, place: Setting) -> list[Result]:
    """Run the techniques asked; all that need it share one joint training."""
    results: list[Result] = []
    together: Parameters | None = None
    for name in sorted(names, key=lambda name: name != "fine-tuning"):
        if together is None and name != "fine-tuning":
            together = jointly_trained(place, seed)
        results.append(run(chosen(name, place.options), seed, together or {}, place))
        if name == "fine-tuning":
            together = results[-1].parameters
    return results


def register(best: Result) -> None:
    """Store the best start beside the code and in the registry."""
    tracking.save_local(HERE / "models" / "best", best.parameters, best.config)
    metadata = {
        "task": "read digits in an unseen world after a few examples of each",
        "technique": best.technique,
        **best.metrics,
    }
    with mlflow.start_run(run_id=best.run_id):
        log_model(
            name=tracking.MODEL_NAME,
            weights=best.parameters,
            config=best.config,
            entry=serving.ENTRY,
            signature=SIGNATURE,
            metadata=metadata,
            tags={"mlops.technique": best.technique},
        )
    print(f"Registered {tracking.MODEL_NAME}: {best.technique}, seed {best.seed}.")


def main() -> None:
    options = arguments()
    names = list(TECHNIQUES) if options.technique == "all" else [options.technique]
    seeds = (0, 1) if options.seed is None else (options.seed,)
    place = setting(options)
    results = []
    for seed in seeds:
        results += one_seed(names, seed, place)
    register(max(results, key=lambda result: result.metrics["val_few_shot_accuracy"]))


if __name__ == "__main__":
    main()
