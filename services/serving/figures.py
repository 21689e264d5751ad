"""``figures.json``: what passes through the gateway, written by it each second."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from services.home import Home
from services.serving import paths

FORMAT = 1
STALE_S = 5.0
WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """One version of an endpoint. ``requests`` to ``p99_ms`` are of the last ``WINDOW_S``."""

    version: int
    total: int = 0
    """Requests since the gateway began."""
    total_errors: int = 0
    """Of them answered with 5xx."""
    requests: int = 0
    errors: int = 0
    """5xx; what the asker did wrong (4xx) is no error of the model."""
    refused: int = 0
    """429 and 503 for want of room."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    in_flight: int = 0
    queued: int = 0
    """Of them not yet with a model server."""
    last_at: float | None = None
    """When it was last asked."""
    compared: int = 0
    """As a shadow: answers held against the live version's."""
    differing: int = 0
    answered: int = 0
    """Of ``total``, those that got an answer."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All endpoints' versions, and the gateway itself."""

    at: float = 0.0
    pid: int = 0
    serial: int = 0
    """Of the routes it follows."""
    endpoints: Mapping[str, Mapping[int, VersionFigures]] = field(default_factory=dict)

    def of(self, name: str, version: int) -> VersionFigures:
        """Return a version's figures; all zero when it was never asked."""
        return self.endpoints.get(name, {}).get(version, VersionFigures(version))

    def stale(self, now: float | None = None) -> bool:
        """Return whether the gateway wrote nothing lately."""
        age = (time.time() if now is None else now) - self.at
        return abs(age) > STALE_S  # what is of the future was written before the clock was set


def path(home: Home) -> Path:
    """Return the file."""
    return paths.run(home) / "figures.json"


def write(home: Home, figures: Figures) -> None:
    """Write them in one step.

    Raises:
        OSError: The disk is full or not writable; the old file stays.
    """
    endpoints = {
        name: [asdict(one) for one in versions.values()]
        for name, versions in figures.endpoints.items()
    }
    said = {
        "v": FORMAT,
        "at": figures.at,
        "pid": figures.pid,
        "serial": figures.serial,
        "endpoints": endpoints,
    }
    paths.publish(path(home), said)


def read(home: Home) -> Figures | None:
    """Return what the gateway last wrote, None when nothing can be read."""
    try:
        said = orjson.loads(path(home).read_bytes())
        if said["v"] != FORMAT:
            return None
        endpoints = {
            str(name): {int(one["version"]): VersionFigures(**one) for one in versions}
            for name, versions in said["endpoints"].items()
        }
        return Figures(said["at"], said["pid"], said["serial"], endpoints)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
