"""The toolkit's client: plain mlflow code, tracked in its project and never lost.

Nothing needs to be imported from here for that; MLflow loads the plugins by itself. ``connect`` is
for notebooks, ``mlops_client.mlx`` for MLX training, ``flush`` to send what waits.
"""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Connection", "connect", "flush"]


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
    from mlops_client import project as finder
    from mlops_client import tags

    if root is not None:
        os.environ["MLOPS_PROJECT_PATH"] = str(Path(root).resolve())
    finder.current.cache_clear()
    tags.run_tags.cache_clear()
    found = finder.current()
    if found is None:
        raise LookupError(
            f"No toolkit project in {root or Path.cwd()} or above it. Give the folder whose "
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
    finder.apply_environment(found)
    import mlflow

    mlflow.set_tracking_uri(values["MLFLOW_TRACKING_URI"])
    mlflow.set_experiment(values["MLFLOW_EXPERIMENT_NAME"])
    return Connection(
        found.id,
        found.path,
        values["MLFLOW_TRACKING_URI"],
        values["MLFLOW_WORKSPACE"],
        values["MLFLOW_EXPERIMENT_NAME"],
    )


def flush() -> tuple[int, int]:
    """Send what this and ended processes of the project kept; return (sent, waiting) files."""
    from mlops_client.artifacts import active_store
    from mlops_client.sending import send_orphans

    store = active_store()
    if store is None:
        return 0, 0
    store.try_send()
    return send_orphans(store)
