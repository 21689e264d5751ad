"""A model that was loaded, and how it is asked: in batches of the sizes it was made ready for."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlops_client.serving import validation
from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info

Predictor = Callable[[Columns], Any]
"""What a format gives: columns to columns."""
MAX_BATCH = 32


class Streamer(Protocol):
    """What a project's ``stream`` entry returns."""

    def stream(
        self, prompt: str, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[str]:
        """Yield the text that goes on after the prompt, a token at a time."""
        ...

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """What a format makes of a bundle."""

    predict: Predictor
    backend: str
    backend_reason: str
    streamer: Streamer | None = None
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to be asked; by the thread that loaded it alone, because MLX wants that."""

    info: Info
    model: Model
    sizes: tuple[int, ...]
    """Numbers of rows it is asked with, ascending; () when any number does."""
    max_batch: int

    @property
    def backend(self) -> str:
        """Return mlx, mps, cuda or cpu."""
        return self.model.backend

    @property
    def backend_reason(self) -> str:
        """Return why, as a sentence."""
        return self.model.backend_reason

    @property
    def stream(self) -> Callable[..., Iterator[str]] | None:
        """Return what streams text; None when the model does not."""
        return None if self.model.streamer is None else self.model.streamer.stream

    def predict(self, columns: Mapping[str, np.ndarray]) -> Columns:
        """Return the answer to a whole request, in batches where its rows are independent.

        Raises:
            ColumnError: The request is not what the bundle says.
            AnswerError: The model's answer is not.
        """
        rows = validation.checked(self.info, columns)
        step = self.max_batch if self.info.batchable else rows
        parts = [
            self.ask({name: values[start : start + step] for name, values in columns.items()})
            for start in range(0, rows, step)
        ]
        return joined(parts)

    def ask(self, columns: Columns) -> Columns:
        """Return the answer to rows that are asked together, at most ``max_batch`` of them.

        Raises:
            AnswerError: The model's answer is not what the bundle says.
        """
        rows = len(next(iter(columns.values())))
        size = next((one for one in self.sizes if one >= rows), rows)
        answer = self.model.predict(padded(columns, size))
        answered = validation.answered(self.info, answer, size)
        return answered if size == rows else {k: v[:rows] for k, v in answered.items()}

    def warm_up(self) -> float:
        """Ask the example in every size; return the seconds it took.

        Raises:
            ColumnError: The example is not what the schema says.
            AnswerError: The answer is not.
        """
        began = time.perf_counter()
        asked = validation.example(self.info)
        rows = validation.checked(self.info, asked)
        validation.check_warm(self.info, self.predict(asked))
        if self.info.batchable:
            for size in self.sizes or (1, self.max_batch):
                whole = {k: v[np.arange(size) % rows] for k, v in asked.items()}
                validation.check_warm(self.info, self.ask(whole))
        if self.model.streamer is not None:
            for _ in self.model.streamer.stream(validation.SAMPLE_TEXT, 2):
                pass
        return time.perf_counter() - began


def batch_sizes(info: Info, max_batch: int) -> tuple[tuple[int, ...], int]:
    """Return the sizes that batches are padded to, and the most rows of one."""
    if not info.batchable:
        return (), max_batch
    sizes = tuple(size for size in info.fixed_batches if size <= max_batch)
    if info.fixed_batches and not sizes:
        return (max_batch,), max_batch
    return sizes, max(sizes, default=max_batch)


def padded(columns: Columns, size: int) -> Columns:
    """Return columns of ``size`` rows: the last one comes again, which is a valid one."""
    return {
        name: values
        if len(values) == size
        else np.concatenate([values, np.repeat(values[-1:], size - len(values), axis=0)])
        for name, values in columns.items()
    }


def joined(parts: list[Columns]) -> Columns:
    """Return the rows of several answers as one."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
