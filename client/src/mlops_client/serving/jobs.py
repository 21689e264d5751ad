"""What the thread that owns the model is asked to do."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlops_client.serving.frames import ColumnError, Columns

DEADLINE = "The deadline passed before the model was asked."


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer."""

    kind: str
    """input, busy, deadline or model."""
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and what it took."""

    columns: Columns
    queue_ms: float
    model_ms: float
    batch_rows: int
    """Most rows that were asked together for it."""
    share_ms: float
    """Of ``model_ms`` its part, by rows: what all requests of a batch have adds up to its time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream that came to its end."""

    finish: str
    """stop, or length."""
    prompt: int
    completion: int
    queue_ms: float
    model_ms: float


@dataclass(slots=True, eq=False)
class Job:
    """One request for rows."""

    columns: Columns
    rows: int
    answer: Callable[[Answered | Failed], None]
    """Called by the model's thread, once."""
    deadline: float | None = None
    """On the monotonic clock."""
    arrived: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    began: float = 0.0
    taken: int = 0
    parts: list[Columns] = field(default_factory=list)
    model_s: float = 0.0
    share_s: float = 0.0
    batch_rows: int = 0

    @property
    def left(self) -> int:
        """Return how many rows were not asked yet."""
        return self.rows - self.taken

    def kind(self) -> tuple[Any, ...]:
        """Return what jobs asked together must share: columns, their types and rows' shapes."""
        return tuple(sorted((name, v.dtype.str, v.shape[1:]) for name, v in self.columns.items()))

    def take(self, room: int) -> Columns:
        """Return the next rows, at most ``room``."""
        start, self.taken = self.taken, min(self.rows, self.taken + room)
        if start == 0 and self.taken == self.rows:
            return self.columns
        return {name: values[start : self.taken] for name, values in self.columns.items()}


@dataclass(slots=True, eq=False)
class StreamJob:
    """One request for text."""

    prompt: str
    max_tokens: int
    said: Callable[[str], None]
    """Called by the model's thread with each piece."""
    answer: Callable[[Ended | Failed], None]
    temperature: float = 0.0
    seed: int | None = None
    stops: tuple[str, ...] = ()
    deadline: float | None = None
    arrived: float = field(default_factory=time.monotonic)
    cancelled: bool = False


def failure(error: BaseException) -> Failed:
    """Return what a caller is told of what a predictor raised.

    A project's predictor raises ``ValueError`` for requests that it does not take; MLX's own begin
    with a bracket and are the model's.
    """
    if isinstance(error, ColumnError):
        return Failed("input", str(error), error.field)
    if isinstance(error, ValueError) and not str(error).startswith("["):
        return Failed("input", str(error))
    return Failed("model", f"The model failed: {type(error).__name__}: {str(error)[:500]}")
