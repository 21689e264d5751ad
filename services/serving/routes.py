"""``routes.json``: who answers what. The serving engine writes it whole, the gateway follows it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from services.home import Home
from services.serving import paths
from services.serving.models import Backend, BundleInfo, Privacy

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Replica:
    """Where one model server listens."""

    id: str
    address: str
    """``unix:/PATH`` or ``tcp:HOST:PORT``."""
    token: str = ""
    """What a server on a network asks for; empty on a Unix socket."""


@dataclass(frozen=True, slots=True)
class VersionRoute:
    """One loaded version."""

    version: int
    info: BundleInfo
    backend: Backend
    backend_reason: str
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    name: str
    project: str
    model: str
    primary: int
    """The version that is live: what the model's metadata tell of."""
    shares: Mapping[int, float]
    """Of requests that name no version; they add up to 1."""
    versions: Mapping[int, VersionRoute]
    """All that a request may name; an idle one has no replica."""
    shadow: int | None = None
    """Is asked beside, never answers."""
    idle: bool = False
    deadline_ms: float = 30_000.0
    privacy: Privacy = "full"
    sample: float = 1.0
    max_body_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Routes:
    """All endpoints; ``serial`` grows with every change."""

    serial: int = 0
    endpoints: Mapping[str, Route] = field(default_factory=dict)


def path(home: Home) -> Path:
    """Return the file."""
    return paths.run(home) / "routes.json"


def write(home: Home, routes: Routes) -> None:
    """Write all routes in one step.

    Raises:
        OSError: The disk is full or not writable; the old routes stay.
    """
    said = {
        "v": FORMAT,
        "serial": routes.serial,
        "endpoints": [_told(one) for one in routes.endpoints.values()],
    }
    paths.publish(path(home), said)


def read(home: Home) -> Routes | None:
    """Return the routes, None when there are none that can be read."""
    try:
        said = orjson.loads(path(home).read_bytes())
        if said["v"] != FORMAT:
            return None
        routes = [_route(one) for one in said["endpoints"]]
        return Routes(int(said["serial"]), {one.name: one for one in routes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _told(route: Route) -> dict[str, Any]:
    versions = [{**asdict(one), "info": one.info.as_json()} for one in route.versions.values()]
    plain = {name: getattr(route, name) for name in Route.__dataclass_fields__}
    return {**plain, "shares": sorted(route.shares.items()), "versions": versions}


def _route(said: dict[str, Any]) -> Route:
    versions = [
        VersionRoute(
            version=int(one["version"]),
            info=BundleInfo.from_json(one["info"]),
            backend=one["backend"],
            backend_reason=one["backend_reason"],
            replicas=tuple(Replica(**replica) for replica in one["replicas"]),
        )
        for one in said["versions"]
    ]
    known = {name: said[name] for name in Route.__dataclass_fields__ if name in said}
    return Route(
        **{
            **known,
            "shares": {int(version): float(share) for version, share in said["shares"]},
            "versions": {one.version: one for one in versions},
        }
    )
