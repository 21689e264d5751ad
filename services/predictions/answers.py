"""What the prediction log answers. Times: seconds since 1970. None: not measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.predictions.models import Kept


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was answered in one stretch of time; those without a request are left out."""

    at: float
    """Its begin."""
    requests: int
    rows: int
    errors: int
    """Answered with 5xx."""
    p50_ms: float | None
    """Of the requests answered without an error of ours."""
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class VersionUse:
    """What one version answered."""

    version: int
    requests: int
    rows: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    model_p50_ms: float | None
    queue_p50_ms: float | None
    energy_j: float | None
    """Of the requests of which it is known."""
    energy_rows: int
    """Rows of those requests."""
    first_at: float
    last_at: float
    backends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One prediction."""

    id: str
    at: float
    project: str
    model: str
    version: int
    api: str
    key_id: str
    rows: int
    status: int
    latency_ms: float
    model_ms: float | None
    queue_ms: float | None
    backend: str
    host: str
    host_state: Mapping[str, Any] | None
    energy_j: float | None
    shadow: bool
    error: str | None
    kept: Kept
    inputs: Mapping[str, Any] | None
    outputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Labels whose request was never seen."""

    count: int
    oldest_at: float | None
