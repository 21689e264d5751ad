"""Evaluate a stored model on the test digits: the champion, else the latest, else the local one."""

import argparse
from pathlib import Path

import mlflow
import numpy as np
from compression import serving, tracking
from compression.data import CLASSES, load
from mlops_client.mlx import load_model

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's URI, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    uri = None if options.local else options.model or tracking.registered()
    if uri:
        predict = load_model(uri)
    else:
        uri = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / uri))
    test = load(HERE / "data")["test"]
    hits = predict({"pixels": test.pixels})["label"] == test.labels
    recalls = [float(hits[test.labels == digit].mean()) for digit in range(CLASSES)]
    metrics = {"test_accuracy": float(np.mean(hits)), "test_worst_recall": min(recalls)}
    with tracking.run("evaluation", 0, {"model": uri, "rows": len(hits)}, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{uri}: {len(hits)} test digits")
    for name, value in metrics.items():
        print(f"  {name:18} {value:.4f}")


if __name__ == "__main__":
    main()
