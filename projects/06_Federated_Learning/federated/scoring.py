"""How good a model is: for everybody, and for the client it serves worst."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from federated.data import CLASSES, Digits
from federated.model import Weights, model_from


def scores(models: list[Weights], digits: Digits, prefix: str) -> dict[str, float]:
    """Return accuracy and loss on held-out digits, averaged over the models."""
    accuracies, losses = [], []
    for weights in models:
        logits = _logits(weights, digits)
        losses.append(nn.losses.cross_entropy(logits, mx.array(digits.labels)).mean().item())
        accuracies.append((np.array(logits).argmax(-1) == digits.labels).mean())
    return {
        f"{prefix}_accuracy": float(np.mean(accuracies)),
        f"{prefix}_loss": float(np.mean(losses)),
    }


def client_accuracies(
    models: list[Weights], digits: Digits, mixes: list[np.ndarray]
) -> list[float]:
    """Return the accuracy each client would see: held-out accuracy by digit, in its own mix.

    One model serves all clients, or each has its own.
    """
    by_digit = [accuracy_by_digit(weights, digits) for weights in models]
    if len(by_digit) == 1:
        by_digit *= len(mixes)
    return [float(each @ mix) for each, mix in zip(by_digit, mixes, strict=True)]


def accuracy_by_digit(weights: Weights, digits: Digits) -> np.ndarray:
    """Return the accuracy on each of the ten digits."""
    right = np.array(_logits(weights, digits)).argmax(-1) == digits.labels
    return np.array([right[digits.labels == label].mean() for label in range(CLASSES)])


def label_mix(labels: np.ndarray) -> np.ndarray:
    """Return the share of each digit."""
    return np.bincount(labels, minlength=CLASSES) / len(labels)


def _logits(weights: Weights, digits: Digits) -> mx.array:
    return model_from(weights)(mx.array(digits.images))
