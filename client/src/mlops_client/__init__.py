"""The toolkit's client: plain mlflow code, tracked in its project and never lost.

Nothing needs to be imported from here for that; MLflow loads the plugins by itself. ``connect`` is
for notebooks, ``mlops_client.mlx`` for MLX training, ``flush`` to send what waits,
``checkpoint_requested`` for trainings that save their state before they pause, ``derived_from`` for
those that begin with a registered version.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_client.pausing import checkpoint_requested, checkpoint_saved

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

__all__ = [
    "Connection",
    "checkpoint_requested",
    "checkpoint_saved",
    "connect",
    "derived_from",
    "flush",
    "send_refused",
]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where this process logs now."""

    project: str
    path: Path
    tracking_uri: str
    workspace: str
    experiment: str


def connect(project: str | None = None, root: Path | None = None) -> Connection:
    """Connect a notebook to a project: by its folder ``root``, or by id from the working directory.

    Raises:
        LookupError: No project was found, another one was, or it is not connected yet.
    """
    from mlops_client import base, tags
    from mlops_client import project as finder

    start = Path(root).resolve() if root is not None else Path.cwd()
    found = finder.nearest(start)
    if found is None:
        raise LookupError(
            f"No toolkit project in {start} or above it. Give the folder whose "
            "pyproject.toml has a [tool.mlops] table: connect(root=…)."
        )
    if project is not None and project != found.id:
        raise LookupError(
            f"The project here is {found.id}, not {project}. Give its folder: root=…."
        )
    values = finder.read_environment(found.path / finder.ENV_FILE)
    if "MLFLOW_TRACKING_URI" not in values:
        raise LookupError(f"{found.id} is not connected yet. Start the platform: `mlops up`.")
    os.environ.update(values)
    os.environ["MLOPS_PROJECT"] = str(found.path)
    finder.current.cache_clear()
    tags.forget()
    base.forget()
    finder.apply_environment(found)
    import mlflow
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry
    from mlflow.utils.workspace_context import set_workspace

    # MLflow keeps one store a server; the one of the project before would keep that one's buffer.
    _tracking_store_registry._get_store_with_resolved_uri.cache_clear()  # noqa: SLF001
    uri = values["MLFLOW_TRACKING_URI"]
    workspace = values.get("MLFLOW_WORKSPACE", "")
    experiment = values.get("MLFLOW_EXPERIMENT_NAME", found.id)
    set_workspace(workspace or None)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment)
    return Connection(found.id, found.path, uri, workspace, experiment)


def derived_from(model: str) -> str:
    """Note that what the active run makes is made from a registered version; return its name.

    Args:
        model: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``PROJECT/NAME:VERSION``.

    Raises:
        RuntimeError: There is no active run, or it names eight already.
        ValueError: It names no version.
    """
    from mlops_client import base

    return base.derived_from(model)


def flush() -> tuple[int, int]:
    """Send what this and ended processes of the project kept; return (sent, waiting) files.

    Raises:
        LookupError: This is no toolkit project, or it does not log to a server.
    """
    from mlops_client.buffer import never

    store = _store()
    store.buffer.try_send(never)
    return store.buffer.send_left()


def send_refused() -> tuple[int, int]:
    """Send again what the server refused, now that its cause may be gone.

    Returns:
        Calls (taken now, refused again).

    Raises:
        LookupError: This is no toolkit project, or it does not log to a server.
    """
    return _store().buffer.send_refused()


def _store() -> "BufferedStore":
    from mlops_client.artifacts import active_store

    store = active_store()
    if store is None:
        raise LookupError(
            "No toolkit project that logs to a server is here. Run this in the project's folder."
        )
    return store
