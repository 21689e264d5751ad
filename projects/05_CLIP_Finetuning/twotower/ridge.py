"""A baseline without a network: ridge regression from principal components to bags of words."""

from collections.abc import Sequence

import numpy as np

from twotower.captions import TRAIN_TEMPLATES, UNKNOWN, caption, tokens
from twotower.data import Pictures


class Ridge:
    """Predicts which words a caption of an image has."""

    def __init__(
        self, pictures: Pictures, known: Sequence[str], *, components: int, penalty: float
    ) -> None:
        self._known = known
        self._mean = pictures.images.mean(axis=0)
        _, _, vectors = np.linalg.svd(pictures.images - self._mean, full_matrices=False)
        self._directions = vectors[:components]
        captions = [
            [caption(template, meaning) for meaning in pictures.meanings]
            for template in TRAIN_TEMPLATES
        ]
        bags = np.mean([self._bags(texts) for texts in captions], axis=0)
        self._common = bags.mean(axis=0)
        features = self._features(pictures.images)
        gram = features.T @ features + penalty * np.eye(components)
        self._weights = np.linalg.solve(gram, features.T @ (bags - self._common))

    def _bags(self, texts: list[str]) -> np.ndarray:
        rows = tokens(texts, self._known)
        bags = np.zeros((len(rows), len(self._known) + UNKNOWN + 1))
        np.add.at(bags, (np.arange(len(rows))[:, None], rows), 1.0)
        return bags[:, UNKNOWN + 1 :]

    def _features(self, images: np.ndarray) -> np.ndarray:
        return (images - self._mean) @ self._directions.T

    def similarity(self, images: np.ndarray, texts: list[str]) -> np.ndarray:
        """Return the cosine between predicted and actual words, both less what is common to all."""
        predicted = self._features(images) @ self._weights
        actual = self._bags(texts)
        actual = actual - actual.mean(axis=0)
        return _unit(predicted) @ _unit(actual).T


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
