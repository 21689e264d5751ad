"""Hidden states of the frozen lower layers, computed once and trained on many times."""

from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from lora.corpus import LABELS, Example
from lora.encoder import DIMENSIONS, Layer, MiniLM
from lora.tokenizer import PADDING, WordPiece

READ_BATCH = 64


@dataclass(frozen=True, slots=True)
class Features:
    """One split: a (tokens, dimensions) array and a label an example."""

    hidden: list[np.ndarray]
    labels: np.ndarray

    def padded(self, rows: np.ndarray) -> tuple[mx.array, mx.array]:
        """Return the hidden states of some rows, padded, and their mask."""
        lengths = [len(self.hidden[row]) for row in rows]
        states = np.zeros((len(rows), max(lengths), DIMENSIONS), np.float32)
        for index, row in enumerate(rows):
            states[index, : lengths[index]] = self.hidden[row]
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        return mx.array(states), mx.array(mask)

    def in_order(self, size: int = READ_BATCH) -> Iterator[np.ndarray]:
        """Yield row numbers in order."""
        for start in range(0, len(self.labels), size):
            yield np.arange(start, min(start + size, len(self.labels)))

    def shuffled(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield random batches of rows of like length, which wastes little on padding."""
        rows = rng.permutation(len(self.labels))
        batches = []
        for start in range(0, len(rows), 8 * size):
            pool = sorted(rows[start : start + 8 * size], key=lambda row: len(self.hidden[row]))
            batches += [np.array(pool[i : i + size]) for i in range(0, len(pool), size)]
        for index in rng.permutation(len(batches)):
            yield batches[index]


def padded_ids(ids: list[list[int]], padding: int) -> tuple[mx.array, mx.array]:
    """Return token ids as one array, and the mask of the real ones."""
    longest = max(map(len, ids))
    array = np.array([row + [padding] * (longest - len(row)) for row in ids])
    lengths = np.array([len(row) for row in ids])
    return mx.array(array), mx.array(np.arange(longest) < lengths[:, None])


def lower(
    encoder: MiniLM, tokenizer: WordPiece, examples: list[Example], *, layers: int, longest: int
) -> Features:
    """Return the examples' hidden states after the encoder's first ``layers`` layers."""
    ids = [tokenizer.ids(example.text, longest) for example in examples]
    padding = tokenizer.vocabulary.index(PADDING)
    hidden: list[np.ndarray] = [np.empty(0)] * len(ids)
    by_length = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    for start in range(0, len(ids), READ_BATCH):
        rows = by_length[start : start + READ_BATCH]
        states = np.array(encoder.lower(*padded_ids([ids[row] for row in rows], padding), layers))
        for state, row in zip(states, rows, strict=True):
            hidden[row] = state[: len(ids[row])]
    return Features(hidden, np.array([LABELS.index(example.label) for example in examples]))


def through(features: Features, layers: list[Layer]) -> Features:
    """Return the hidden states after some more frozen layers."""
    hidden: list[np.ndarray] = []
    for rows in features.in_order():
        states, mask = features.padded(rows)
        for layer in layers:
            states = layer(states, mask)
        array = np.array(states)
        hidden += [array[i, : len(features.hidden[row])] for i, row in enumerate(rows)]
    return Features(hidden, features.labels)
