"""Judge a stored model on the test digits: the champion, else the latest, else the local one."""

import argparse
from dataclasses import asdict
from pathlib import Path

import mlflow
import numpy as np
from mlops_client.mlx import load_model
from selfimprove import data, quality, serving, tracking
from selfimprove.judging import judge_samples

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's address, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    parser.add_argument("--seed", type=int, default=7, help="of the starting noise")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    address = None if options.local else options.model or tracking.registered()
    if address:
        predict = load_model(address)
    else:
        address = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / address))
    parts = data.load()
    judge = quality.train_judge(parts["train"])
    labels = np.tile(parts["test"].labels, 2)
    seeds = np.arange(len(labels)) + 1_000_000 * options.seed
    images = np.asarray(predict({"label": labels, "seed": seeds})["image"])
    samples = data.Digits(images.reshape(len(labels), -1) * 2 - 1, labels)
    judged = judge_samples(judge, samples, parts["test"], parts["train"])
    metrics = {f"test_{name}": value for name, value in asdict(judged).items()}
    params = {"model": address, "images": len(labels)}
    with tracking.run("evaluation", options.seed, params, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{address}: {len(labels)} generated digits against {len(parts['test'])} held-out ones")
    for name, value in metrics.items():
        print(f"  {name:20} {value:.4f}")


if __name__ == "__main__":
    main()
