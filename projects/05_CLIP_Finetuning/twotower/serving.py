"""The predictor that is rebuilt from a stored model: images or texts in, unit vectors out."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from twotower.captions import UNKNOWN, tokens
from twotower.data import PIXELS
from twotower.towers import TwoTowers

ENTRY = "twotower.serving:predictor"
Predictor = Callable[[Mapping[str, Any]], dict[str, np.ndarray]]


def predictor(weights: Mapping[str, mx.array], config: Mapping[str, Any]) -> Predictor:
    """Return a function from ``{"image": ...}`` or ``{"text": ...}`` to ``{"embedding": ...}``.

    The product of an image's and a text's embedding is their cosine similarity.
    """
    known = list(config["vocabulary"])
    model = TwoTowers(len(known) + UNKNOWN + 1)
    model.load_weights(list(weights.items()))
    model.freeze()
    return embedder(model, known)


def embedder(model: TwoTowers, known: list[str]) -> Predictor:
    """Return the predictor of a model that is at hand."""

    def predict(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        images, texts = inputs.get("image"), inputs.get("text")
        if (images is None) == (texts is None):
            raise ValueError("Give one of the columns 'image' and 'text'.")
        if images is None:
            column = np.asarray(texts, dtype=object).reshape(-1)
            rows = tokens([str(text) for text in column], known)
            return {"embedding": np.array(model.texts(mx.array(rows)))}
        pixels = np.array([np.asarray(image).reshape(-1) for image in images], dtype=np.float32)
        if pixels.ndim != 2 or pixels.shape[1] != PIXELS:
            raise ValueError("Column 'image' must hold 8x8 images: 64 pixels each, from 0 to 1.")
        return {"embedding": np.array(model.images(mx.array(pixels)))}

    return predict


def cosines(predict: Predictor) -> Callable[[np.ndarray, list[str]], np.ndarray]:
    """Return the similarity of images and texts that a predictor's embeddings have."""

    def similarity(images: np.ndarray, texts: list[str]) -> np.ndarray:
        return predict({"image": images})["embedding"] @ predict({"text": texts})["embedding"].T

    return similarity
