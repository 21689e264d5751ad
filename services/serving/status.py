"""``status.json``: what the serving engine last saw; pages, actions and commands read it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from services.home import Home
from services.serving import paths
from services.serving.models import (
    Before,
    EndpointStatus,
    ReplicaStatus,
    RolloutStatus,
    RolloutStep,
    VersionStatus,
)

FORMAT = 1
STALE_S = 15.0


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """All endpoints, and how the engine itself is."""

    at: float
    """When it was written; older than ``STALE_S``: the engine hangs or is gone."""
    pid: int
    ray: str = ""
    """Empty: Ray is well; else why it is not, as a sentence."""
    memory_free_bytes: int | None = None
    """What the ledger still has for serving on this machine; None: not known."""
    endpoints: Mapping[str, EndpointStatus] = field(default_factory=dict)

    def stale(self, now: float | None = None) -> bool:
        """Return whether nobody wrote it lately."""
        age = (time.time() if now is None else now) - self.at
        return abs(age) > STALE_S  # what is of the future was written before the clock was set


def path(home: Home) -> Path:
    """Return the file."""
    return paths.run(home) / "status.json"


def write(home: Home, status: ServingStatus) -> None:
    """Write it in one step.

    Raises:
        OSError: The disk is full or not writable; the old file stays.
    """
    said = {**asdict(status), "v": FORMAT}
    said["endpoints"] = list(said["endpoints"].values())
    paths.publish(path(home), said)


def read(home: Home) -> ServingStatus | None:
    """Return what was last seen, None when nothing can be read."""
    try:
        said = orjson.loads(path(home).read_bytes())
        if said.pop("v") != FORMAT:
            return None
        found = [_endpoint(one) for one in said.pop("endpoints")]
        return ServingStatus(**said, endpoints={one.name: one for one in found})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _endpoint(said: dict[str, Any]) -> EndpointStatus:
    versions = tuple(
        VersionStatus(**{**one, "replicas": tuple(ReplicaStatus(**r) for r in one["replicas"])})
        for one in said["versions"]
    )
    rollout = said["rollout"]
    if rollout is not None:
        steps = tuple(RolloutStep(**step) for step in rollout["steps"])
        before = Before(**rollout.get("before", {}))
        rollout = RolloutStatus(**{**rollout, "steps": steps, "before": before})
    return EndpointStatus(**{**said, "versions": versions, "rollout": rollout})
