"""Evaluate a stored model on the test images: the champion, else the latest, else the local one."""

import argparse
from pathlib import Path

import mlflow
from mlops_client.mlx import load_model
from twotower import captions, data, serving, tracking
from twotower.gallery import gallery, measure

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
    shown = gallery(data.load()["test"])
    metrics = measure(serving.cosines(predict), shown, captions.HELD_OUT_TEMPLATES, "test")
    params = {"model": address, "images": len(shown.images), "texts": len(shown.meanings)}
    with tracking.run("evaluation", 0, params, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{address}: {len(shown.images)} held-out images, {len(shown.meanings)} captions")
    for name, value in metrics.items():
        print(f"  {name:32} {value:.4f}")


if __name__ == "__main__":
    main()
