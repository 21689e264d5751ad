"""Run every technique as MLflow runs, one round a step, and register the best federation."""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from federated import collected, data, serving, tracking
from federated.collected import Collected
from federated.fleet import Fleet
from federated.local import Work
from federated.model import Weights, initial_weights
from federated.rounds import Plan, Round, run
from federated.scoring import client_accuracies, label_mix, scores
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from mlops_client.mlx import TrainingLogger, log_model
from mlops_client.reference import log_reference

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
TECHNIQUES = ("local-only", "centralised", "fedavg", "fedprox")
BASELINES = ("local-only", "centralised")
SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype("float32"), (-1, data.PIXELS), "image")]),
    outputs=Schema(
        [
            TensorSpec(np.dtype("int64"), (-1,), "label"),
            TensorSpec(np.dtype("float64"), (-1,), "confidence"),
        ]
    ),
)


@dataclass(frozen=True, slots=True)
class Split:
    """How one seed shares the training digits out."""

    shards: list[Path]
    pooled: list[Path]
    mixes: list[np.ndarray]
    """Each client's share of each digit."""


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run."""

    run_id: str
    technique: str
    seed: int
    weights: Weights
    metrics: dict[str, float]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[*TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; by default 0, 1 and 2")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=0.3, help="of the Dirichlet; small: non-IID")
    parser.add_argument("--epochs", type=int, default=3, help="local epochs a round")
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--proximal", type=float, default=0.1, help="FedProx's mu")
    parser.add_argument("--drop-out", type=float, default=0.2, help="chance to miss a round")
    parser.add_argument("--kill-round", type=int, default=5, help="one client dies; -1: never")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--round-timeout", type=float, default=20.0, help="seconds")
    chosen = parser.parse_args(argv)
    if chosen.clients < 2:
        parser.error("--clients must be at least 2")
    return chosen


def shares(train: data.Digits, seed: int, options: argparse.Namespace) -> list[np.ndarray]:
    """Return which training digits are each client's: the same for a seed on every machine."""
    generator = np.random.default_rng([seed, 77])
    return data.dirichlet_split(train.labels, options.clients, options.alpha, generator)


def share_out(train: data.Digits, seed: int, options: argparse.Namespace) -> Split:
    """Write the clients' shards for one seed."""
    rows = shares(train, seed, options)
    folder = HERE / "data" / f"alpha-{options.alpha:g}-clients-{options.clients}-seed-{seed}"
    shards = data.write_shards(folder, train, rows)
    pooled = data.write_shards(folder / "pooled", train, [np.arange(len(train))])
    return Split(shards, pooled, [label_mix(train.labels[each]) for each in rows])


def plan_for(technique: str, seed: int, options: argparse.Namespace) -> Plan:
    """Return what a technique does."""
    work = Work(
        options.epochs,
        options.batch_size,
        options.learning_rate,
        options.proximal if technique == "fedprox" else 0.0,
    )
    if technique == "centralised":
        return Plan(options.rounds, 1, work, seed)
    if technique == "local-only":
        return Plan(options.rounds, options.clients, work, seed, average=False)
    kill = options.kill_round if 0 <= options.kill_round < options.rounds else None
    return Plan(
        options.rounds, options.clients, work, seed, drop_out=options.drop_out, kill_round=kill
    )


def params_of(
    plan: Plan, options: argparse.Namespace, new: Collected
) -> dict[str, str | int | float]:
    return {
        "rounds": plan.rounds,
        "clients": plan.clients,
        "alpha": options.alpha,
        "epochs": plan.work.epochs,
        "batch_size": plan.work.batch_size,
        "learning_rate": plan.work.learning_rate,
        "optimizer": "sgd",
        "proximal": plan.work.proximal,
        "drop_out": plan.drop_out,
        "kill_round": "never" if plan.kill_round is None else plan.kill_round,
        "width": options.width,
        "collected_rows": len(new.train),
    }


def round_metrics(done: Round) -> dict[str, float]:
    """Return what is logged about a round beside quality."""
    metrics = {
        "clients_answered": float(done.answered),
        "clients_absent": float(done.absent),
        "clients_died": float(done.died),
        "bytes_moved": float(done.bytes_moved),
        "round_ms": done.seconds * 1e3,
    }
    if done.divergence is not None:
        metrics["client_divergence"] = done.divergence
    return metrics


def train(
    technique: str,
    seed: int,
    fleet: Fleet,
    split: Split,
    parts: dict[str, data.Digits],
    new: Collected,
    options: argparse.Namespace,
) -> Result:
    """Run one technique with one seed as one MLflow run."""
    plan = plan_for(technique, seed, options)
    fleet.assign(split.pooled if technique == "centralised" else split.shards)
    role = "baseline" if technique in BASELINES else None
    with tracking.run(technique, seed, params_of(plan, options, new), role=role) as run_id:
        mlflow.log_dict({"clients": [mix.round(4).tolist() for mix in split.mixes]}, "digits.json")
        models, deaths = [initial_weights(options.width, seed)], 0
        began = time.perf_counter()
        with TrainingLogger(log_every=20) as log:
            for done in run(fleet, plan, models[0]):
                models, deaths = done.models, deaths + done.died
                if done.loss is not None:
                    quality = scores(models, parts["val"], "val")
                    log.step(loss=done.loss, samples=done.images, **quality, **round_metrics(done))
        metrics = {
            **scores(models, parts["val"], "val"),
            **scores(models, parts["test"], "test"),
            "worst_client_accuracy": min(client_accuracies(models, parts["val"], split.mixes)),
            "deaths_survived": float(deaths),
            "train_seconds": time.perf_counter() - began,
        }
        if len(new.held_out):
            metrics |= scores(models, new.held_out, "collected")
        mlflow.log_metrics(metrics, step=plan.rounds - 1)
    print(
        f"{technique:12} seed {seed}  val {metrics['val_accuracy']:.3f}  "
        f"test {metrics['test_accuracy']:.3f}  "
        f"worst client {metrics['worst_client_accuracy']:.3f}  "
        f"deaths {deaths}  {metrics['train_seconds']:.1f} s",
        flush=True,
    )
    return Result(run_id, technique, seed, models[0], metrics)


def register(best: Result, asked: data.Digits, options: argparse.Namespace) -> None:
    """Store the best federation's model beside the code and in the registry.

    `asked`: held-out digits like those that it will be asked, for monitoring to compare with.
    """
    config = {"width": options.width}
    tracking.save_local(HERE / "models" / "best", best.weights, config)
    metadata = {
        "data": f"scikit-learn digits, {options.clients} clients, Dirichlet {options.alpha:g}",
        "task": "recognise 8x8 digits",
        "technique": best.technique,
        "python": platform.python_version(),
        "val_accuracy": best.metrics["val_accuracy"],
        "test_accuracy": best.metrics["test_accuracy"],
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
        answers = serving.predictor(best.weights, config)({"image": asked.images})
        log_reference(inputs={"image": asked.images}, outputs=answers, labels=asked.labels)
    print(f"Registered {tracking.MODEL_NAME}: {best.technique}, seed {best.seed}.")


def main() -> None:
    options = arguments()
    parts = data.load()
    new = collected.load(HERE / "data", tracking.MODEL_NAME, parts)
    parts["train"] = collected.added(parts["train"], new.train)
    names = TECHNIQUES if options.technique == "all" else (options.technique,)
    seeds = SEEDS if options.seed is None else (options.seed,)
    splits = {seed: share_out(parts["train"], seed, options) for seed in seeds}
    results = []
    with Fleet(splits[seeds[0]].shards, timeout_s=options.round_timeout) as fleet:
        for seed in seeds:
            sizes = [int(np.load(path)["labels"].size) for path in splits[seed].shards]
            print(f"Seed {seed}: clients hold {json.dumps(sizes)} digits.", flush=True)
            results += [
                train(name, seed, fleet, splits[seed], parts, new, options) for name in names
            ]
    federations = [result for result in results if result.technique not in BASELINES]
    if federations:
        best = max(federations, key=lambda result: result.metrics["val_accuracy"])
        register(best, new.now if len(new.now) else parts["test"], options)


if __name__ == "__main__":
    main()
