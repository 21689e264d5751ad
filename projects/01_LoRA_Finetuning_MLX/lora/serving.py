"""The model as it is stored, and the predictor that is rebuilt from it."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from lora.adapters import merge
from lora.classifier import Classifier, half_weights
from lora.encoder import LAYERS, MiniLM
from lora.features import padded_ids
from lora.tokenizer import PADDING, WordPiece

ENTRY = "lora.serving:predictor"


def stored(encoder: MiniLM, classifier: Classifier) -> dict[str, mx.array]:
    """Return all weights in half precision, adapters merged into the encoder."""
    top = classifier.layers
    merge(top)
    whole = MiniLM()
    whole.update(encoder.parameters())
    whole.layers = [*encoder.layers[: LAYERS - len(top)], *top]
    tensors = {f"encoder.{name}": array for name, array in tree_flatten(whole.parameters())}
    tensors |= {f"head.{name}": array for name, array in tree_flatten(classifier.head.parameters())}
    return half_weights(tensors)


def texts(inputs: np.ndarray | Mapping[str, Any]) -> list[str]:
    """Return the texts of a request: an array of strings, or a table with the column ``text``."""
    column = inputs["text"] if isinstance(inputs, Mapping) else inputs
    return [str(text) for text in np.asarray(column, dtype=object).reshape(-1)]


def predictor(
    weights: Mapping[str, mx.array], config: Mapping[str, Any]
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from texts to ``{"label": ..., "confidence": ...}``."""
    encoder, classifier = MiniLM(), Classifier([])
    model = nn.Module()
    model.encoder, model.head = encoder, classifier.head
    model.load_weights([(name, array.astype(mx.float32)) for name, array in weights.items()])
    model.freeze()
    mx.eval(model.parameters())
    tokenizer = WordPiece(list(config["vocabulary"]))
    padding = tokenizer.vocabulary.index(PADDING)
    labels = np.array(config["labels"])

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        ids = [tokenizer.ids(text, config["longest"]) for text in texts(inputs)]
        answers = [np.empty((0, len(labels)))]
        for start in range(0, len(ids), 32):
            tokens, mask = padded_ids(ids[start : start + 32], padding)
            logits = classifier(encoder.lower(tokens, mask, LAYERS), mask)
            answers.append(np.array(mx.softmax(logits, axis=-1)))
        probabilities = np.concatenate(answers)
        return {
            "label": labels[probabilities.argmax(-1)],
            "confidence": probabilities.max(-1, initial=0.0).astype(np.float64),
        }

    return predict
