"""What the judge says of samples, the digit that was asked for included.

``joint_frechet`` is the Fréchet distance between images *together with their labels*: to the
judge's features, one column a digit is added, with as much weight as all features together. A
perfect three that was asked for as an eight costs there; the plain Fréchet distance cannot see it.
"""

from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from selfimprove.data import CLASSES, Digits
from selfimprove.quality import Judge, frechet, score


@dataclass(frozen=True, slots=True)
class Judged:
    """How good a set of samples is."""

    joint_frechet: float
    frechet: float
    class_accuracy: float
    nearest_ratio: float


def judge_samples(judge: Judge, samples: Digits, held_out: Digits, train: Digits) -> Judged:
    """Judge samples whose labels are the digits that were asked for."""
    plain = score(judge, samples.images, samples.labels, held_out, train)
    return Judged(
        joint_frechet(_features(judge, samples), samples, _features(judge, held_out), held_out),
        plain.frechet,
        plain.class_accuracy,
        plain.nearest_ratio,
    )


def joint_frechet(
    features: np.ndarray, samples: Digits, held_out_features: np.ndarray, held_out: Digits
) -> float:
    """Return the Fréchet distance of features and labels together."""
    weight = np.sqrt(held_out_features.var(axis=0).sum())
    columns = weight * np.eye(CLASSES)
    return frechet(
        np.concatenate([features, columns[samples.labels]], axis=1),
        np.concatenate([held_out_features, columns[held_out.labels]], axis=1),
    )


def _features(judge: Judge, digits: Digits) -> np.ndarray:
    return np.array(judge.features(mx.array(digits.images)))
