"""What is seen in one look, and what an endpoint asks for in return."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.serving.cluster import Placed
from services.serving.drift import Found
from services.serving.figures import Figures
from services.serving.replicas import Seen
from services.serving.versions import Server, VersionRun


@dataclass(slots=True)
class World:
    """What is seen in one look."""

    now: float
    seen: Mapping[str, Seen] = field(default_factory=dict)
    placed: Mapping[str, Placed] = field(default_factory=dict)
    figures: Figures | None = None
    """None: no gateway writes any."""
    serial: int = 0
    """Of the routes as last written."""
    thermal_level: int | None = None
    drift: Mapping[str, Found] = field(default_factory=dict)
    """What is known of those that are watched and guard it, by endpoint."""
    woken: frozenset[str] = frozenset()
    """Endpoints whose gateway wishes that they wake."""


@dataclass(slots=True)
class Ended:
    """A rollout that ended and has to be noted in the journal."""

    name: str
    version: int
    action_id: int | None
    live: bool
    said: str


@dataclass(slots=True)
class CheckWish:
    """A model server whose answer is to be checked before its version gets requests."""

    name: str
    run: VersionRun
    server: Server
    beside: Server | None
    """Of the live version."""
