"""The machines that take tasks, as the controller knows them: asked, kept, and what follows.

What was seen last is kept in ``MLOPS_HOME/run/workers.json``: a controller that starts while
Airflow is away must not send every project back to this machine.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from services.engines.airflow.edge import Edge
from services.errors import PlatformError
from services.platform.files import read_json, write_json
from services.projects.contract import Contract, Project
from services.resources.capacity import Rule
from services.resources.models import Capacity, Needs
from services.workflows import routes, routing, workers
from services.workflows.routes import Machine, Routed
from services.workflows.workers import Loss, Worker

INTERVAL_S = 2.0


class Workforce:
    """The workers of one installation; safe for threads."""

    def __init__(self, edge: Edge | None, here: str, kept: Path) -> None:
        """Begin with what was seen last.

        Args:
            edge: Airflow's workers; None: this platform takes none (``airflow_workers``).
            here: This machine, as telemetry names it.
            kept: The file; its folder exists.
        """
        self._edge = edge
        self._here = here
        self._kept = kept
        self._guard = threading.Lock()
        self._seen = _read(kept) if edge else ()
        self._losses: tuple[Loss, ...] = ()

    def turn(self) -> None:
        """Look once.

        Raises:
            EngineError: Airflow is away; what was seen stays.
            PlatformError: It cannot be kept.
        """
        if self._edge is None:
            return
        jobs = self._edge.jobs()
        seen = workers.seen(self._edge.workers(), jobs)
        with self._guard:
            fresh = [_lasting(one) for one in seen] != [_lasting(one) for one in self._seen]
            self._seen = seen
            self._losses = workers.losses(seen, jobs, self._here)
        if fresh:
            write_json(self._kept, {"workers": [_document(one) for one in seen]}, durable=False)

    @property
    def seen(self) -> tuple[Worker, ...]:
        """The machines, by name; () without workers."""
        with self._guard:
            return self._seen

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What was lost with machines that are silent."""
        with self._guard:
            return self._losses

    def hosts(
        self, telemetry: Iterable[Capacity], rules: Mapping[str, Rule] | None = None
    ) -> tuple[Capacity, ...]:
        """Return what the ledger may count on; see ``routes.with_workers``.

        Args:
            telemetry: The machines that telemetry knows, with what administrators said of them.
            rules: The same for those that a worker alone tells of.
        """
        known = tuple(telemetry)
        if self._edge is None:
            return known
        return routes.with_workers(
            known, workers.machines(self.seen, self._here, rules), self._here
        )

    def machines_of(self, project: str) -> frozenset[str] | None:
        """Return the machines on which a project is, for ``Job.machines``.

        Without workers that is this machine: others of the telemetry take no task.
        """
        if self._edge is None:
            return frozenset({self._here})
        return frozenset(routes.hosts_with(project, self._machines()))

    def routes(
        self, projects: Iterable[Project], needs: Callable[[str], Needs]
    ) -> dict[str, dict[str, object]]:
        """Return the route of each project's heavy task, for ``Specs.write``.

        Args:
            projects: All of them.
            needs: Returns what a training of a project needs.

        Raises:
            PlatformError: It cannot be known now.
        """
        return {
            one.id: self._routed(one, needs).route
            for one in (project.contract for project in projects)
            if one is not None
        }

    def _routed(self, one: Contract, needs: Callable[[str], Needs]) -> Routed:
        if self._edge is None:
            return routes.here_alone(needs(one.id), self._here)
        return routes.routed(one.id, routing.required(one), self._machines(), self._here)

    def _machines(self) -> tuple[Machine, ...]:
        """Return all machines; this one also before its worker came."""
        found = workers.machines(self.seen, self._here)
        if any(one.capacity.host == self._here for one in found):
            return found
        return (*found, Machine(Capacity(self._here, None)))


def _lasting(one: Worker) -> Worker:
    return replace(one, heartbeat_at=None, running=())


def _document(one: Worker) -> dict[str, Any]:
    at = one.heartbeat_at
    return asdict(one) | {"heartbeat_at": at.isoformat() if at else None}


def _read(path: Path) -> tuple[Worker, ...]:
    try:
        said: Any = (read_json(path) or {}).get("workers", [])
        return tuple(_worker(one) for one in said)
    except (PlatformError, TypeError, ValueError, KeyError, AttributeError):
        return ()  # seen again with the first look


def _worker(said: dict[str, Any]) -> Worker:
    at, projects = said["heartbeat_at"], said["projects"]
    told = said | {
        "heartbeat_at": datetime.fromisoformat(at) if at else None,
        "projects": None if projects is None else tuple(projects),
        "queues": tuple(said["queues"]),
        "running": tuple(said["running"]),
    }
    return Worker(**told)
