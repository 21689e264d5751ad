"""The model as it is stored, and the predictor that is rebuilt from it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from quantization.corpus import decode, encode, windows
from quantization.model import CharacterModel, Shape, bits_per_character, plain
from quantization.plans import Bits, quantise

ENTRY = "quantization.serving:predictor"
CONTINUATION = 16
SPACE = int(encode(" ")[0])


def configuration(shape: Shape, bits: Bits, group_size: int) -> dict[str, Any]:
    """Return what is needed to rebuild the model around its weights."""
    return {"shape": asdict(shape), "bits": dict(bits), "group_size": group_size}


def rebuilt(weights: Mapping[str, mx.array], config: Mapping[str, Any]) -> CharacterModel:
    """Return the model, quantised as it was stored."""
    model = CharacterModel(Shape(**config["shape"]), plain)
    quantise(model, config["bits"], config["group_size"])
    model.load_weights(list(weights.items()))
    model.freeze()
    mx.eval(model.parameters())
    return model


def _continuation(model: nn.Module, ids: np.ndarray, context: int) -> str:
    """Return the likeliest next characters, one after another."""
    text = np.concatenate([np.full(context, SPACE, ids.dtype), ids])
    for _ in range(CONTINUATION):
        logits = model(mx.array(text[None, -context:]))
        text = np.append(text, logits.argmax(-1).item())
    return decode(text[-CONTINUATION:])


def _bits(model: nn.Module, ids: np.ndarray, context: int) -> float:
    """Return the bits a character of a text read after blanks; not a number for an empty one."""
    if len(ids) == 0:
        return float("nan")
    padded = np.concatenate([np.full(context, SPACE, ids.dtype), ids])
    return bits_per_character(model, windows(padded, context))


def predictor(
    weights: Mapping[str, mx.array], config: Mapping[str, Any]
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from texts to their continuation and their bits a character."""
    model = rebuilt(weights, config)
    context = config["shape"]["context"]

    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        column = inputs["text"] if isinstance(inputs, Mapping) else inputs
        continuations, bits = [], []
        for text in np.asarray(column, dtype=object).reshape(-1):
            ids = encode(str(text))
            continuations.append(_continuation(model, ids, context))
            bits.append(_bits(model, ids, context))
        return {
            "continuation": np.array(continuations, dtype=object),
            "bits_per_character": np.array(bits, dtype=np.float64),
        }

    return predict
