"""The model as it is stored, and the predictor that is rebuilt from it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
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
CACHED = 8192
"""Contexts whose logits a streamer keeps: 3 MB."""


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


def _window(ids: np.ndarray, context: int) -> np.ndarray:
    """Return the last ``context`` characters of a text, blanks before a short one."""
    return np.concatenate([np.full(context, SPACE, ids.dtype), ids])[-context:]


def _continuations(model: nn.Module, texts: list[np.ndarray], context: int) -> list[str]:
    """Return each text's likeliest next characters, one after another; all texts together."""
    rows = np.stack([_window(ids, context) for ids in texts])
    for _ in range(CONTINUATION):
        likeliest = np.array(model(mx.array(rows[:, -context:])).argmax(-1))
        rows = np.concatenate([rows, likeliest[:, None].astype(rows.dtype)], axis=1)
    return [decode(row[context:]) for row in rows]


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
        texts = [encode(str(text)) for text in np.asarray(column, dtype=object).reshape(-1)]
        continuations = _continuations(model, texts, context) if texts else []
        bits = [_bits(model, ids, context) for ids in texts]
        return {
            "continuation": np.array(continuations, dtype=object),
            "bits_per_character": np.array(bits, dtype=np.float64),
        }

    return predict


class Streamer:
    """Text that goes on, a character at a time.

    What comes next depends on the last ``context`` characters alone, so those are the whole state
    that a prompt leaves behind: the logits after them are kept, the ones used last.
    """

    def __init__(self, model: nn.Module, context: int) -> None:
        self._model = model
        self._context = context
        self._logits: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def count(self, text: str) -> int:
        """Return how many characters of a text the model reads."""
        return len(encode(text))

    def stream(
        self, prompt: str, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[str]:
        """Yield the next characters: the likeliest ones, or drawn at a temperature above 0."""
        window = _window(encode(prompt), self._context)
        random = np.random.default_rng(seed)
        for _ in range(max_tokens):
            chosen = _drawn(self._after(window), temperature, random)
            window = np.append(window[1:], chosen).astype(window.dtype)
            yield decode([chosen])

    def _after(self, window: np.ndarray) -> np.ndarray:
        key = window.tobytes()
        logits = self._logits.pop(key, None)
        if logits is None:
            logits = np.array(self._model(mx.array(window[None]))[0].astype(mx.float32))
        self._logits[key] = logits
        if len(self._logits) > CACHED:
            self._logits.popitem(last=False)
        return logits


def _drawn(logits: np.ndarray, temperature: float, random: np.random.Generator) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    scaled = (logits - logits.max()).astype(np.float64) / temperature
    chances = np.exp(scaled)
    return int(random.choice(len(chances), p=chances / chances.sum()))


def streamer(weights: Mapping[str, mx.array], config: Mapping[str, Any]) -> Streamer:
    """Return what streams text from a stored model."""
    return Streamer(rebuilt(weights, config), config["shape"]["context"])
