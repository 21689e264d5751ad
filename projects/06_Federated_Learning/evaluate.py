"""Evaluate a stored model on the test digits: the champion, else the latest, else the local one."""

import argparse
from pathlib import Path

import mlflow
import numpy as np
from federated import data, serving, tracking
from mlops_client.mlx import load_model

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's address, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    address = None if options.local else options.model or tracking.registered()
    if address:
        predict = load_model(address)
    else:
        address = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / address))
    test = data.load()["test"]
    answers = predict({"image": test.images})
    right = np.asarray(answers["label"]) == test.labels
    by_digit = [float(right[test.labels == label].mean()) for label in range(data.CLASSES)]
    metrics = {
        "test_accuracy": float(right.mean()),
        "test_worst_digit_accuracy": min(by_digit),
        "test_mean_confidence": float(np.mean(answers["confidence"])),
    }
    with tracking.run("evaluation", 0, {"model": address, "images": len(test)}, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{address}: {len(test)} held-out digits")
    for name, value in metrics.items():
        print(f"  {name:26} {value:.4f}")


if __name__ == "__main__":
    main()
