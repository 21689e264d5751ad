"""Which toolkit project this process belongs to, and where its endpoints are written."""

import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ENV_FILE = ".mlops.env"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder whose pyproject.toml has a ``[tool.mlops]`` table."""

    id: str
    path: Path


@lru_cache(maxsize=1)
def current() -> Project | None:
    """Return the project of the running script, else of the working directory, else None."""
    for start in _starts():
        for folder in (start, *start.parents):
            project_id = _project_id(folder / "pyproject.toml")
            if project_id:
                return Project(project_id, folder)
    return None


def _starts() -> Iterator[Path]:
    named = os.environ.get("MLOPS_PROJECT_PATH")
    if named:
        yield Path(named).resolve()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script:
        yield Path(script).resolve().parent
    yield Path.cwd()


def _project_id(file: Path) -> str:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("mlops")
    except (OSError, ValueError, AttributeError):
        return ""
    found = table.get("id", "") if isinstance(table, dict) else ""
    return found if isinstance(found, str) else ""


def apply_environment(project: Project) -> None:
    """Set what the project's environment file says and nobody has set: explicit values win."""
    for name, value in read_environment(project.path / ENV_FILE).items():
        os.environ.setdefault(name, value)
    # Long retries are for clients that lose what they cannot send; here the buffer takes it.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


def read_environment(file: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file, empty when it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def spool_folder() -> Path:
    """Return where this process keeps what it could not send."""
    named = os.environ.get("MLOPS_SPOOL")
    return Path(named) if named else Path.home() / ".mlops" / "spool"
