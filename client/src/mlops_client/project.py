"""Which toolkit project this process belongs to, and where its endpoints are written."""

import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ENV_FILE = ".mlops.env"
_URI = "MLFLOW_TRACKING_URI"
_TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the name of the variable
# Belong to one server: a person who names another must not send it our token.
_OF_THE_SERVER = frozenset({"MLFLOW_TRACKING_TOKEN", "MLFLOW_WORKSPACE", "MLFLOW_EXPERIMENT_NAME"})


@dataclass(frozen=True, slots=True)
class Project:
    """A folder whose pyproject.toml has a ``[tool.mlops]`` table."""

    id: str
    path: Path


@lru_cache(maxsize=1)
def current() -> Project | None:
    """Return the project of the running script, else of the working directory, else None.

    ``MLOPS_PROJECT`` overrides it: a project's folder, or an id that runs are attributed to.
    """
    named = os.environ.get("MLOPS_PROJECT", "")
    if named and _project_id(Path(named) / "pyproject.toml"):
        return nearest(Path(named).resolve())
    found = next((project for start in _starts() if (project := nearest(start))), None)
    if not named or os.sep in named or (found is not None and found.id == named):
        return found
    return Project(named, found.path if found else Path.cwd())


def nearest(start: Path) -> Project | None:
    """Return the project of a folder or of the closest one above it."""
    for folder in (start, *start.parents):
        project_id = _project_id(folder / "pyproject.toml")
        if project_id:
            return Project(project_id, folder)
    return None


def _starts() -> Iterator[Path]:
    # While a child of multiprocessing loads its script, that goes by the first name.
    for name in ("__mp_main__", "__main__"):
        script = getattr(sys.modules.get(name), "__file__", None)
        if script:
            yield Path(script).resolve().parent
    try:
        yield Path.cwd()
    except FileNotFoundError:  # the working directory was deleted
        return


def listed(project: Project, what: str) -> tuple[str, ...]:
    """Return the paths a project lists under ``data`` or ``models``; none of another project's."""
    table = _table(project.path / "pyproject.toml")
    found = table.get(what) if table.get("id") == project.id else None
    return tuple(p for p in found if isinstance(p, str)) if isinstance(found, list) else ()


def _project_id(file: Path) -> str:
    found = _table(file).get("id", "")
    return found if isinstance(found, str) else ""


def _table(file: Path) -> dict[str, object]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("mlops")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def apply_environment(project: Project) -> None:
    """Set what the project's environment file says and nobody has set: explicit values win."""
    values = read_environment(project.path / ENV_FILE)
    if values.get("MLOPS_PROJECT", project.id) != project.id:
        values = {}  # another project's endpoints: MLOPS_PROJECT names one that is not here
    named = os.environ.get(_URI)
    elsewhere = named is not None and named.rstrip("/") != values.get(_URI, "").rstrip("/")
    for name, value in values.items():
        if not (elsewhere and name in _OF_THE_SERVER):
            os.environ.setdefault(name, value)
    if not elsewhere and os.environ.get(_TOKEN) == values.get(_TOKEN):
        _given.add(values.get(_TOKEN, ""))
    # MLflow retries for four minutes: what it cannot send is lost. Here the buffer takes it.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


_given: set[str] = set()
"""Tokens that came from an environment file, not from a person."""


def renew_token() -> None:
    """Take the project's token from its file again, after the one from there was refused."""
    project = current()
    values = read_environment(project.path / ENV_FILE) if project else {}
    same_server = os.environ.get(_URI, "").rstrip("/") == values.get(_URI, "").rstrip("/")
    if same_server and _TOKEN in values and os.environ.get(_TOKEN) in _given:
        os.environ[_TOKEN] = values[_TOKEN]
        _given.add(values[_TOKEN])


def configured_uri() -> str:
    """Return the server the project's environment file names, empty when there is none."""
    project = current()
    values = read_environment(project.path / ENV_FILE) if project else {}
    return values.get(_URI, "").rstrip("/")


def read_environment(file: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file, empty when it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def spool_folder() -> Path:
    """Return where this process keeps what it could not send."""
    named = os.environ.get("MLOPS_SPOOL")
    return Path(named) if named else Path.home() / ".mlops" / "spool"
