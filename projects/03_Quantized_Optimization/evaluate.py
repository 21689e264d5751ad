"""Evaluate a stored model on unseen modules: the champion, else the latest, else the local one."""

import argparse
from pathlib import Path

import mlflow
import numpy as np
from mlops_client.mlx import load_model
from quantization import corpus, serving, tracking
from train import SIZES

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model's URI, as models:/NAME/VERSION")
    parser.add_argument("--local", action="store_true", help="the model in models/best")
    parser.add_argument("--texts", type=int, default=40, help="pieces of 100 characters")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    uri = None if options.local else options.model or tracking.registered()
    if uri:
        predict = load_model(uri)
    else:
        uri = "models/best"
        predict = serving.predictor(*tracking.load_local(HERE / uri))
    test = corpus.decode(corpus.load(HERE / "data", SIZES)["test"])
    starts = np.linspace(0, len(test) - 100, options.texts).astype(int)
    texts = np.array([test[start : start + 100] for start in starts], dtype=object)
    answers = predict({"text": texts})
    metrics = {"test_bits_per_char_pieces": float(np.mean(answers["bits_per_character"]))}
    with tracking.run("evaluation", 0, {"model": uri, "texts": len(texts)}, role="evaluation"):
        mlflow.log_metrics(metrics)
    print(f"{uri}: {len(texts)} pieces of unseen modules, each read without what comes before")
    for name, value in metrics.items():
        print(f"  {name} {value:.4f}")
    print(f"  for example {texts[0][-30:]!r} -> {answers['continuation'][0]!r}")


if __name__ == "__main__":
    main()
