"""Evaluate a stored model on unseen modules: the champion, else the latest, else the local one."""

import argparse
from pathlib import Path

import mlflow
import numpy as np
from lora import corpus, serving, tracking
from lora.classifier import scores
from mlops_client.mlx import load_model

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's URI, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    parser.add_argument("--test-size", type=int, default=32, help="examples a class")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    uri = None if options.local else options.model or tracking.registered()
    if uri:
        predict = load_model(uri)
    else:
        uri = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / uri))
    sizes = {"train": 100, "validation": 32, "test": options.test_size}
    test = [
        row for row in corpus.load(HERE / "data" / "docstrings.jsonl", sizes) if row.split == "test"
    ]
    answers = predict({"text": np.array([row.text for row in test], dtype=object)})
    numbers = {label: index for index, label in enumerate(corpus.LABELS)}
    predicted = np.array([numbers[str(label)] for label in answers["label"]])
    labels = np.array([numbers[row.label] for row in test])
    metrics = scores(predicted, labels, "test")
    with tracking.run("evaluation", 0, {"model": uri, "test_size": len(test)}, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{uri}: {len(test)} examples of unseen modules")
    for name, value in metrics.items():
        print(f"  {name:16} {value:.4f}")


if __name__ == "__main__":
    main()
