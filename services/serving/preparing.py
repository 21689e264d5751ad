"""What a version needs before its first model server starts: bundle, folder, environment, backend.

All of it may take long (an environment is built), so it is done in threads beside the loop.
"""

import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from services.actions.journal import Journal
from services.errors import InputError, MlopsError, PlatformError
from services.home import Home
from services.projects import discovery, environment
from services.serving import backends, bundle, paths, replicas
from services.serving.models import Backend, BundleInfo, Target
from services.serving.planning import Room
from services.serving.replicas import ReplicaSpec
from services.serving.versions import Prepared

logger = logging.getLogger(__name__)

FORGOTTEN_S = 10.0
"""What nobody asked for so long was prepared for another deployment; since then all may differ."""

PythonOf = Callable[[Path, Home, environment.Report], Path]
"""Returns the Python of a project's environment, built when it is not there."""


class Preparing:
    """Prepares versions in threads; asked each turn until it is done."""

    def __init__(
        self,
        home: Home,
        journal: Journal,
        projects_root: Path,
        python_of: PythonOf = environment.prepare,
        *,
        machine: Callable[[], backends.Machine] | None = None,
    ) -> None:
        self._home = home
        self._journal = journal
        self._root = projects_root
        self._python_of = python_of
        self._machine = machine or Room(home).machine
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="prepare")
        self._under_way: dict[tuple[str, str, int, Backend | None], Future[Prepared]] = {}
        self._said: dict[tuple[str, str, int, Backend | None], str] = {}
        self._asked: dict[tuple[str, str, int, Backend | None], float] = {}
        """When each was asked for last."""

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, project: str, model: str, target: Target) -> Prepared | str:
        """Return what a version needs, or what is being done for it.

        Raises:
            MlopsError: It cannot be prepared.
        """
        key = (project, model, target.version, target.backend)
        found, now = self._under_way.get(key), time.monotonic()
        last = self._asked.get(key, now)
        self._asked[key] = now
        if found is None or (found.done() and now - last > FORGOTTEN_S):
            found = self._under_way[key] = self._pool.submit(
                self._prepare, key, target.memory_bytes
            )
        if not found.done():
            return self._said.get(key, "Its bundle is verified.")
        del self._under_way[key], self._asked[key]
        self._said.pop(key, None)
        try:
            return found.result()
        except MlopsError:
            raise
        except Exception as error:
            # One project that nobody foresaw must not take all endpoints down.
            logger.exception("%s version %s cannot be prepared.", model, target.version)
            raise PlatformError(
                f"It cannot be prepared: {type(error).__name__}: {error}.",
                "See `mlops logs serving`.",
            ) from error

    def _prepare(self, key: tuple[str, str, int, Backend | None], memory_bytes: int) -> Prepared:
        project, model, version, wish = key
        opened = bundle.open(self._home, project, model, version)
        folder = self._folder(project)

        def report(line: str) -> None:
            self._said[key] = f"Its project's environment is made: {line}."

        python = self._python_of(folder, self._home, report)
        backend, reason = self._backend(opened.info, wish, memory_bytes, python.parent.parent)
        return Prepared(
            info=opened.info,
            folder=str(folder),
            python=str(python),
            bundle=str(paths.bundle(self._home, project, model, version)),
            backend=backend,
            backend_reason=reason,
        )

    def _backend(
        self, info: BundleInfo, wish: Backend | None, memory_bytes: int, venv: Path
    ) -> tuple[str, str]:
        """Return what a model server is to run on, and why.

        Where neither a person nor the rule asks for anything but the first choice, the model
        server says itself: it may run on another machine than this one.

        Raises:
            InputError: It cannot run on what a person chose.
        """
        torch = backends.has_torch(info, venv)
        if wish is None and not torch:
            return "auto", ""
        needs = memory_bytes or info.weights_bytes
        choice = backends.choose(info, self._machine(), needs, wish, torch=torch)
        if wish is None and not backends.on_torch(info, choice.backend):
            return "auto", ""
        return choice.backend, choice.reason

    def _folder(self, project: str) -> Path:
        found = discovery.found(self._root, self._journal.project_paths())
        for one in found:
            if one.contract is not None and one.contract.id == project:
                return one.path
        raise InputError(
            f"The project {project} is not connected here.",
            "Its model server runs in its folder and its environment; see `mlops projects list`.",
        )


def spec_of(home: Home, project: str, model: str) -> Callable[[Target, Prepared, int], ReplicaSpec]:
    """Return what makes the specification of one more model server of an endpoint."""
    name = f"{project}.{model}"
    slug = quote(name, safe=" +@").replace(" ", "_")[:80]

    def make(target: Target, prepared: Prepared, number: int) -> ReplicaSpec:
        key = secrets.token_hex(4)
        kept = replicas.folder(home)
        return ReplicaSpec(
            id=f"{name}:{target.version}:{number}-{key}",
            name=name,
            project=project,
            model=model,
            version=target.version,
            memory_bytes=target.memory_bytes,
            backend=prepared.backend,
            max_batch=target.max_batch,
            bundle=prepared.bundle,
            folder=prepared.folder,
            python=prepared.python,
            socket=str(paths.sockets(home) / f"{key}.sock"),
            events=str(kept / f"{key}.events"),
            record=str(kept / f"{key}.json"),
            log=str(home.logs / f"serving-{slug}-{target.version}-{number}.log"),
            home=str(home.root),
        )

    return make
