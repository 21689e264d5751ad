"""What MLflow told us, in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["running", "finished", "failed", "killed", "scheduled"]


@dataclass(frozen=True, slots=True)
class Metric:
    """The last value of a metric; ``at_ms`` is milliseconds since 1970 UTC."""

    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """One run; times are milliseconds since 1970 UTC."""

    run_id: str
    experiment_id: str
    name: str
    status: Status
    user: str | None
    started_ms: int | None
    ended_ms: int | None
    deleted: bool
    artifact_uri: str | None
    metrics: Mapping[str, Metric]
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunBatch:
    """One page of runs and the token of the next, None at the end."""

    runs: tuple[TrackedRun, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment of a workspace."""

    experiment_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Point:
    """One logged point of a metric."""

    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version."""

    model: str
    version: int
    run_id: str | None
    created_ms: int
    status: str
    description: str
    source: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """One registered model; ``aliases`` maps an alias to its version."""

    name: str
    description: str
    created_ms: int
    updated_ms: int
    aliases: Mapping[str, int]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """A file or folder among a run's artifacts."""

    path: str
    is_folder: bool
    size_bytes: int | None
