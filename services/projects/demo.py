"""``mlops up --demo``: train every project for real, two at a time, and report as it goes."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from services.errors import MlopsError, PlatformError
from services.home import Home
from services.projects import discovery
from services.projects.contract import Project
from services.projects.training import train

Report = Callable[[str, str], None]
"""Called with a project's title and what happens to it."""

_CONNECT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """How the demo went for one project."""

    project: str
    title: str
    seconds: float | None
    runs: int
    error: str


def run(
    home: Home,
    root: Path,
    report: Report,
    *,
    connected: Callable[[str, Path], bool],
    done: Callable[[str], bool] = lambda _project: False,
    workers: int = 2,
) -> tuple[Result, ...]:
    """Train the projects under ``root`` that ``done`` does not know; failures are results.

    ``connected`` tells whether a project (id, folder) has the endpoints of this very platform.

    Raises:
        PlatformError: There is no project under ``root``.
    """
    projects = [project for project in discovery.found(root, ()) if project.contract is not None]
    if not projects:
        raise PlatformError(
            f"There is no project under {root}.", "Set MLOPS_PROJECTS_ROOT to their folder."
        )
    lock = threading.Lock()

    def told(title: str, what: str) -> None:
        with lock:
            report(title, what)

    with ThreadPoolExecutor(workers) as pool:
        return tuple(pool.map(lambda project: _one(project, home, told, connected, done), projects))


def _one(
    project: Project,
    home: Home,
    report: Report,
    connected: Callable[[str, Path], bool],
    done: Callable[[str], bool],
) -> Result:
    contract = project.contract
    assert contract is not None  # noqa: S101 - run() chose those that have one
    title = contract.title
    if done(contract.id):
        report(title, "has results already")
        return Result(contract.id, title, None, 0, "")
    try:
        _wait(lambda: connected(contract.id, project.path), title)
        trained = train(project.path, home, report=lambda what: report(title, what))
    except MlopsError as error:
        report(title, f"failed: {error.message.splitlines()[0]}")
        return Result(contract.id, title, None, 0, str(error))
    report(title, f"made {len(trained.run_ids)} runs in {trained.seconds:.0f} s")
    return Result(contract.id, title, trained.seconds, len(trained.run_ids), "")


def _wait(connected: Callable[[], bool], title: str) -> None:
    """Wait until the controller has connected a project."""
    end = time.monotonic() + _CONNECT_TIMEOUT_S
    while not connected():
        if time.monotonic() > end:
            raise PlatformError(
                f"{title} was not connected within {_CONNECT_TIMEOUT_S:.0f} s.",
                "`mlops logs controller` tells why.",
            )
        time.sleep(0.2)
