"""Evaluate a stored model on new tasks of unseen worlds: champion, else latest, else local."""

import argparse
from pathlib import Path

import mlflow
import numpy as np
from meta import serving, tracking
from meta.learning import confidence_interval
from meta.tasks import images, sample
from mlops_client.mlx import load_model

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's URI, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--shots", type=int, choices=(1, 2, 3), default=2)
    parser.add_argument("--seed", type=int, default=99, help="which tasks are drawn")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    uri = None if options.local else options.model or tracking.registered()
    if uri:
        predict = load_model(uri)
    else:
        uri = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / uri))
    rng = np.random.default_rng(options.seed)
    tasks = sample(
        images(HERE / "data"), "test", options.tasks, rng, shots=options.shots, queries=5
    )
    values = []
    for support, labels, query, answers in zip(
        tasks.support, tasks.support_labels, tasks.query, tasks.query_labels, strict=True
    ):
        asked = np.full(len(query), serving.UNKNOWN)
        rows = {
            "pixels": np.concatenate([support, query]),
            "label": np.concatenate([labels, asked]),
        }
        values.append((predict(rows)["label"][len(labels) :] == answers).mean())
    mean, low, high = confidence_interval(np.array(values))
    metrics = {
        "few_shot_accuracy": mean,
        "few_shot_accuracy_ci_low": low,
        "few_shot_accuracy_ci_high": high,
    }
    params = {"model": uri, "tasks": options.tasks, "shots": options.shots}
    with tracking.run("evaluation", options.seed, params, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{uri}: {options.tasks} new tasks, few-shot accuracy {mean:.4f} [{low:.4f}, {high:.4f}]")


if __name__ == "__main__":
    main()
