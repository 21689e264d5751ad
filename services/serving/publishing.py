"""What the engine says of what is true now: routes for the gateway, status for people."""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from services.home import Home
from services.serving import routes, status
from services.serving.endpoint import EndpointRun
from services.serving.models import EndpointStatus
from services.serving.routes import Route, Routes
from services.serving.status import ServingStatus

SETTLING_S = 30.0
"""So long the route of an earlier life stays though none of its model servers is found again."""
_STATUS_S = 1.0


class Publisher:
    """Writes ``routes.json`` and ``status.json``. Used from one thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.routes = routes.read(home) or Routes()
        self._before = dict(self.routes.endpoints)
        """Routes of an earlier life, each until as much is known of its endpoint again."""
        self._began: float | None = None
        before = status.read(home)
        self._told = dict(before.endpoints) if before else {}
        self._told_at = 0.0

    def without_the_dead(self, living: Collection[str]) -> None:
        """Take what did not survive out of the routes of an earlier life: requests wait for it.

        Raises:
            OSError: They cannot be written; the old ones stay.
        """
        found = {name: _pruned(one, living) for name, one in self.routes.endpoints.items()}
        if found != self.routes.endpoints:
            self.routes = Routes(self.routes.serial + 1, found)
            routes.write(self._home, self.routes)

    def publish_routes(self, runs: Mapping[str, EndpointRun], now: float) -> None:
        """Write the routes when they changed.

        Raises:
            OSError: They cannot be written; the old ones stay.
        """
        wanted = {name: run for name, run in sorted(runs.items()) if run.gone_at is None}
        found = {name: route for name, run in wanted.items() if (route := run.route()) is not None}
        found |= self._not_known_again(wanted, found)
        if found != self.routes.endpoints or not routes.path(self._home).exists():
            fresh = Routes(self.routes.serial + 1, found)
            routes.write(self._home, fresh)
            self.routes = fresh
        for name, run in runs.items():
            if name not in self._before:
                run.dropped(self.routes.serial, now)

    def _not_known_again(
        self, runs: Mapping[str, EndpointRun], found: Mapping[str, Route]
    ) -> Mapping[str, Route]:
        """Return the routes of an earlier life that stay for now.

        A bundle that is verified, or an environment that is made, may take minutes, and the model
        servers answer all the time.
        """
        now = time.monotonic()
        self._began = self._began or now
        late = now - self._began > SETTLING_S
        self._before = {
            name: route
            for name, route in self._before.items()
            if (run := runs.get(name)) is not None
            and run.coming_back(routed=name in found)
            and (not late or (run.answers and name not in found))
        }
        return self._before

    def publish_status(
        self, runs: Mapping[str, EndpointRun], ray: str, free_bytes: int | None, now: float
    ) -> None:
        """Write the status, at once when something moved: somebody waits for it.

        Raises:
            OSError: It cannot be written; the old one stays.
        """
        told = {name: run.status(now) for name, run in sorted(runs.items())}
        if _still(told) == _still(self._told) and time.monotonic() - self._told_at < _STATUS_S:
            return
        self._told, self._told_at = told, time.monotonic()
        status.write(self._home, ServingStatus(now, os.getpid(), ray, free_bytes, told))

    def clear(self) -> None:
        """Take all routes back; who was evicted is remembered for the next start.

        Raises:
            OSError: They cannot be written; the old ones stay.
        """
        self.routes = Routes(self.routes.serial + 1, {})
        routes.write(self._home, self.routes)
        evicted = {name: _evicted(one) for name, one in self._told.items()}
        kept = {name: one for name, one in evicted.items() if one.versions}
        stopped = "Serving was stopped."
        status.write(self._home, ServingStatus(time.time(), os.getpid(), stopped, endpoints=kept))


def _pruned(route: Route, living: Collection[str]) -> Route:
    versions = {
        number: replace(one, replicas=tuple(r for r in one.replicas if r.id in living))
        for number, one in route.versions.items()
    }
    answering = any(versions[one].replicas for one in route.shares if one in versions)
    return replace(route, versions=versions, idle=not answering)


def _evicted(one: EndpointStatus) -> EndpointStatus:
    """Return an endpoint with those of its versions alone that gave their memory to others."""
    versions = tuple(replace(v, replicas=()) for v in one.versions if v.evicted)
    return replace(one, versions=versions, rollout=None)


def _still(told: Mapping[str, EndpointStatus]) -> list[object]:
    """Return what is worth to be told at once; memory moves all the time."""
    return [
        (one.name, one.phase, one.said, one.generation, one.rollout, _versions(one))
        for one in told.values()
    ]


def _versions(one: EndpointStatus) -> list[object]:
    return [(v.version, v.phase, v.share, v.ready, len(v.replicas)) for v in one.versions]
