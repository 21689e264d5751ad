"""What people see of an endpoint: plain values of one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.serving.figures import VersionFigures
from services.serving.models import Phase, ReplicaStatus, RolloutStep, Strategy


@dataclass(frozen=True, slots=True)
class VersionLook:
    """One version of an endpoint that is loaded, or on its way."""

    version: int
    phase: Phase
    said: str
    backend: str | None
    backend_reason: str
    traffic: float
    """Of the requests that name no version, 0 to 1."""
    replicas: tuple[ReplicaStatus, ...]
    reserved_bytes: int
    """What one replica reserves."""
    memory_bytes: int | None
    """What all its replicas have now; None: not known."""
    peak_bytes: int | None
    """The most one of them had."""
    figures: VersionFigures
    live: bool

    @property
    def ready(self) -> int:
        """Return how many replicas answer."""
        return sum(one.state == "ready" for one in self.replicas)


@dataclass(frozen=True, slots=True)
class RolloutLook:
    """A rollout that is under way, or the last one that ended."""

    version: int
    strategy: Strategy
    running: bool
    outcome: str
    said: str
    share: float
    header: bool
    promote: bool
    watch_s: float | None
    steps: tuple[RolloutStep, ...]
    action_id: int | None
    actor: str
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One endpoint."""

    name: str
    project: str
    model: str
    version: int | None
    """What answers; of a first rollout what is on its way."""
    backend: str | None
    backend_reason: str
    state: Phase
    said: str
    """Why it is so."""
    replicas: int
    """That answer now."""
    min_replicas: int
    max_replicas: int
    traffic: Mapping[int, float]
    """Version → share of the requests that name none."""
    requests: int
    """Of the last minute, all versions together."""
    errors: int
    refused: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    """Of the version that answers; None: nobody asked it in the last minute."""
    in_flight: int
    memory_bytes: int | None
    reserved_bytes: int
    energy_j_per_1000: float | None
    energy_reason: str
    """Why no energy is known; empty when it is."""
    last_change: datetime | None
    rollout: RolloutLook | None
    versions: tuple[VersionLook, ...]
    pinned: bool
    idle_after_s: float
    privacy: str
    stale: str
    """Why state and replicas are the last known ones; empty: they are of this moment."""
    figures_stale: str
    """The same of requests and latencies."""

    @property
    def live(self) -> VersionLook | None:
        """Return the version that answers."""
        return next((one for one in self.versions if one.live), None)

    def as_json(self) -> dict[str, Any]:
        """Return it in the documented shape; see the guide to serving."""
        names = (
            "name", "project", "model", "version", "backend", "backend_reason", "state", "said",
            "replicas", "min_replicas", "max_replicas", "p50_ms", "p95_ms", "p99_ms", "errors",
            "refused", "requests", "in_flight", "memory_bytes", "reserved_bytes",
            "energy_j_per_1000", "energy_reason", "last_change", "rollout", "pinned",
            "idle_after_s", "privacy", "stale", "figures_stale",
        )  # fmt: skip
        traffic = {str(version): share for version, share in self.traffic.items()}
        return {**{name: getattr(self, name) for name in names}, "traffic": traffic}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in which a version was live."""

    version: int
    began_at: datetime
    ended_at: datetime | None
    """None: it is live."""
    actor: str
    said: str
