"""The only place where an engine's error becomes a value."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from services.errors import EngineError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Live(Generic[T]):
    """What an engine said, and when."""

    value: T
    at: datetime


@dataclass(frozen=True, slots=True)
class Down:
    """An engine that could not be asked: why, what to do, and since when."""

    engine: str
    reason: str
    hint: str
    at: datetime


def read(engine: str, fetch: Callable[[], T]) -> Live[T] | Down:
    """Ask, and turn an ``EngineError`` into ``Down``. Anything else is our bug and is raised."""
    try:
        value = fetch()
    except EngineError as error:
        return Down(engine, error.message, error.hint, datetime.now(UTC))
    return Live(value, datetime.now(UTC))
