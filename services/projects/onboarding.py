"""Connecting a project: its MLflow workspace and experiment, and the file that tells it where."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from services.engines.mlflow.adapter import MLflow
from services.errors import PlatformError
from services.home import Home
from services.projects.conformance import ENV_FILE
from services.projects.contract import Contract

logger = logging.getLogger(__name__)

_OURS = (ENV_FILE, ".mlops/")
"""What the platform writes into a project's folder."""


def connect(
    path: Path, contract: Contract, home: Home, mlflow: MLflow, mlflow_url: str, token: str
) -> None:
    """Give a project its workspace, experiment and environment file; again is harmless.

    Raises:
        EngineError: MLflow did not answer or refused.
        PlatformError: The environment file could not be written.
    """
    mlflow.ensure_workspace(contract.id, contract.title)
    mlflow.ensure_experiment(contract.id, contract.id)
    write_env_file(path, endpoints(path, contract, home, mlflow_url, token))


def endpoints(
    path: Path, contract: Contract, home: Home, mlflow_url: str, token: str
) -> dict[str, str]:
    """Return what a project's processes need to know."""
    return {
        "MLFLOW_TRACKING_URI": mlflow_url,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_WORKSPACE": contract.id,
        "MLFLOW_EXPERIMENT_NAME": contract.id,
        "MLOPS_PROJECT": contract.id,
        "MLOPS_HOME": str(home.root),
        "MLOPS_SPOOL": str(path / ".mlops" / "spool"),
        # What the client calls before and after a run; it appends what is to be done.
        "MLOPS_TRACK": json.dumps([sys.executable, "-m", "services.data"]),
    }


def is_connected(path: Path, wanted: Mapping[str, str]) -> bool:
    """Return whether the environment file says just this."""
    return read_env_file(path) == dict(wanted)


def read_env_file(path: Path) -> dict[str, str]:
    """Return a project's environment file, empty when there is none."""
    try:
        lines = (path / ENV_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Write it whole or not at all, readable by its owner alone: it holds a token.

    Raises:
        PlatformError: The folder cannot be written to.
    """
    text = "# Written by the MLOps platform; holds a token, keep it out of version control.\n"
    text += "".join(f"{name}={value}\n" for name, value in values.items())
    temporary = path / f"{ENV_FILE}.new"
    try:
        temporary.unlink(missing_ok=True)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(path / ENV_FILE)
    except OSError as error:
        raise PlatformError(
            f"The environment file of {path.name} cannot be written: {error}.",
            f"Make {path} writable for the user who runs the platform.",
        ) from error
    _keep_out_of_git(path)


def _keep_out_of_git(path: Path) -> None:
    """List our files in the repository's own exclude file: nothing of the project changes."""
    folder = next((p for p in (path, *path.parents) if (p / ".git").is_dir()), None)
    if folder is None:
        return
    exclude = folder / ".git" / "info" / "exclude"
    try:
        listed = exclude.read_text(encoding="utf-8") if exclude.exists() else ""
        missing = "".join(f"{name}\n" for name in _OURS if name not in listed.split())
        if missing:
            exclude.parent.mkdir(exist_ok=True)
            with exclude.open("a", encoding="utf-8") as file:
                file.write(f"\n{missing}" if listed else missing)
    except (OSError, UnicodeDecodeError) as error:
        logger.warning(
            "%s cannot list %s (%s): keep them out of git.", exclude, ", ".join(_OURS), error
        )
