"""What the prediction log is told. Times: seconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kept = Literal["full", "hashed", "dropped", "too-large", "unreadable"]
"""What became of a prediction's columns.

``dropped``: the endpoint keeps none, or not of this one; ``too-large``: more than
``privacy.COLUMNS_BYTES``; ``unreadable``: JSON cannot hold them.
"""

Columns = Mapping[str, Any]
"""A column's name → one value a row: lists, or numpy arrays whose first axis is the row."""


@dataclass(frozen=True, slots=True)
class Record:
    """One answered prediction."""

    id: str
    """Of the request: the hex digits of a UUID of version 7, which tells its day."""
    at: float
    project: str
    model: str
    version: int
    api: str
    """oip, plain or openai."""
    status: int
    latency_ms: float
    rows: int = 1
    key_id: str = ""
    model_ms: float | None = None
    queue_ms: float | None = None
    backend: str = ""
    host: str = ""
    host_state: Mapping[str, Any] | None = None
    energy_j: float | None = None
    inputs: Columns | bytes | None = None
    """Bytes: the same as JSON already."""
    outputs: Columns | bytes | None = None
    shadow: bool = False
    """Asked beside the live version; nobody got the answer."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was true, told later; the last one of a request counts."""

    id: str
    """Of the request it is about."""
    at: float
    label: Any
    """Anything that JSON can hold."""
    key_id: str = ""
    project: str = ""
    """Of the API key: it is taken for predictions of this project alone; empty: of any."""
