"""What passes through the gateway, counted by endpoint and version."""

import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.gateway.histogram import Rolling
from services.serving.figures import Figures, VersionFigures
from services.serving.routes import Routes

BOUNDS_MS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000)
"""Of the histograms for Prometheus."""


@dataclass(slots=True)
class Count:
    """One version of an endpoint since the gateway began."""

    project: str
    rolling: Rolling = field(default_factory=Rolling)
    statuses: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    sum_ms: float = 0.0
    rows: int = 0
    in_flight: int = 0
    queued: int = 0
    retries: int = 0
    last_at: float | None = None
    compared: int = 0
    differing: int = 0

    def done(self, status: int, ms: float, rows: int) -> None:
        """Count a request that was answered."""
        refused = status in {429, 503}
        answered = status < 400
        self.last_at = time.time()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        error = status >= 500 and not refused
        # Of the monotonic clock: one that was set wrong must not hold the window for ever.
        self.rolling.add(
            time.monotonic(), ms if answered or error else None, error=error, refused=refused
        )
        if answered:
            self.buckets[bisect_left(BOUNDS_MS, ms)] += 1
            self.sum_ms += ms
            self.rows += rows

    @property
    def total(self) -> int:
        """Return all requests."""
        return sum(self.statuses.values())

    @property
    def answered(self) -> int:
        """Return those that got an answer."""
        return sum(n for status, n in self.statuses.items() if status < 400)

    @property
    def errors(self) -> int:
        """Return those whose model or replica failed."""
        return sum(n for status, n in self.statuses.items() if status >= 500 and status != 503)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count a request as under way."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request as one that no model server has."""
        self.queued += 1
        try:
            yield
        finally:
            self.queued -= 1


class Counts:
    """All endpoints' versions."""

    def __init__(self) -> None:
        self.all: dict[str, dict[int, Count]] = {}
        self.unrouted: dict[int, int] = {}
        """Answers to what reached no endpoint, by status."""

    def of(self, name: str, version: int, project: str) -> Count:
        """Return a version's count."""
        versions = self.all.setdefault(name, {})
        count = versions.get(version)
        if count is None:
            count = versions[version] = Count(project)
        return count

    def missed(self, status: int) -> None:
        """Count an answer that no endpoint had to do with."""
        self.unrouted[status] = self.unrouted.get(status, 0) + 1

    def forget(self, routes: Routes) -> None:
        """Drop versions that are routed no longer, when nothing of theirs is under way."""
        for name, versions in list(self.all.items()):
            route = routes.endpoints.get(name)
            known = route.versions if route else {}
            for version, count in list(versions.items()):
                idle = not count.in_flight and not count.rolling.requests
                if version not in known and idle:
                    del versions[version]
            if not versions:
                del self.all[name]

    def figures(self, serial: int) -> Figures:
        """Return what ``figures.json`` tells."""
        now = time.monotonic()
        endpoints = {
            name: {version: _figures(version, count, now) for version, count in versions.items()}
            for name, versions in self.all.items()
        }
        return Figures(time.time(), os.getpid(), serial, endpoints)


def _figures(version: int, count: Count, now: float) -> VersionFigures:
    p50, p95, p99 = count.rolling.percentiles(now, 0.5, 0.95, 0.99)
    return VersionFigures(
        version=version, total=count.total, answered=count.answered, total_errors=count.errors,
        requests=count.rolling.requests, errors=count.rolling.errors, refused=count.rolling.refused,
        p50_ms=p50, p95_ms=p95, p99_ms=p99, in_flight=count.in_flight, queued=count.queued,
        last_at=count.last_at, compared=count.compared, differing=count.differing,
    )  # fmt: skip
