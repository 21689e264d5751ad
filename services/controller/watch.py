"""The projects loop: finds projects, connects them, and keeps what is known of each elsewhere."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from services.engines.mlflow.adapter import MLflow
from services.errors import MlopsError
from services.home import Home
from services.mirror.store import Store
from services.projects import conformance, discovery, onboarding
from services.projects.contract import Contract, Project

logger = logging.getLogger(__name__)


class ProjectWatch:
    """Looks at all folders in turn; one broken project never stops the others."""

    def __init__(
        self,
        store: Store,
        mlflow: MLflow,
        home: Home,
        *,
        root: Path,
        mlflow_url: str,
        registered: Callable[[], Iterable[Path]],
        token: Callable[[str], str],
        configure: Callable[[str, Path], None],
        publish: Callable[[Iterable[Project]], None] = lambda _projects: None,
    ) -> None:
        self._store = store
        self._mlflow = mlflow
        self._home = home
        self._root = root
        self._mlflow_url = mlflow_url
        self._registered = registered
        self._token = token
        self._configure = configure
        self._publish = publish
        self._known: set[str] = set()

    def turn(self) -> None:
        """Look at every folder once.

        Raises:
            EngineError: MLflow is away and a new project waits for it.
            PlatformError: A file for Airflow cannot be written.
        """
        projects = discovery.found(self._root, self._registered())
        waiting: MlopsError | None = None
        seen = set()
        for project in projects:
            seen.add(mirror_id(project))
            try:
                self._connect(project)
            except MlopsError as error:
                waiting = error
        try:
            self._publish(projects)
        except MlopsError as error:
            waiting = error
        for gone in self._known - seen:
            self._store.forget_project(gone)
        self._known = seen
        if waiting is not None:
            raise waiting

    def _connect(self, project: Project) -> None:
        contract = project.contract
        if contract is None:
            self._store.write_project(mirror_id(project), "broken", document(project))
            return
        try:
            self._ensure(project.path, contract)
        except MlopsError as error:
            # An engine that is away for a moment takes no connection back, nor fills the feed.
            if self._store.project_state(contract.id) != "connected":
                waiting = document(project) | {"reasons": [str(error)]}
                self._store.write_project(contract.id, "connecting", waiting)
            raise
        self._store.write_project(contract.id, "connected", document(project))

    def _ensure(self, path: Path, contract: Contract) -> None:
        token = self._token(contract.id)
        wanted = onboarding.endpoints(path, contract, self._home, self._mlflow_url, token)
        if onboarding.is_connected(path, wanted) and contract.id in self._known:
            return
        onboarding.connect(path, contract, self._home, self._mlflow, self._mlflow_url, token)
        self._configure(contract.id, path)
        logger.info("Project %s at %s is connected.", contract.id, path)


def mirror_id(project: Project) -> str:
    """Return the id under which the mirror lists a project; a broken one goes by its folder."""
    if project.contract is not None:
        return project.contract.id
    return f"broken:{_readable(project.path.name)}"[:64]


def _readable(text: str) -> str:
    """Return what the file system calls something as text that can be stored and shown."""
    return os.fsencode(text).decode("utf-8", "replace")


def document(project: Project) -> dict[str, object]:
    """Return what pages show of a project."""
    found = conformance.checks(project)
    contract = project.contract
    shown: dict[str, object] = {
        "path": _readable(str(project.path)),
        "reasons": [_readable(reason) for reason in project.reasons],
        "conformance": conformance.score(found),
        "checks": [[c.what, c.holds, _readable(c.mend)] for c in found],
        "title": _readable(project.path.name),
    }
    if contract is not None:
        metric = contract.primary_metric
        shown |= {
            "title": contract.title,
            "kind": contract.kind,
            "priority": contract.priority,
            "primary_metric": metric.name if metric else None,
            "goal": metric.goal if metric else "max",
            "gates": contract.gates,
        }
    return shown
