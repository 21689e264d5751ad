"""The secrets of one installation: made once, readable by their owner alone.

``mlflow-tokens.json`` is what our MLflow server checks: the SHA-256 of each token, whose it is, and
the one workspace it reaches (null is all). The plain tokens lie beside it, one file each.
"""

import hashlib
import re
import secrets as randomness
import stat
from pathlib import Path

from services.errors import InputError, PlatformError
from services.home import Home
from services.platform.files import read_or_set_aside, write_json, write_text
from services.platform.lock import held

_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")
_KEYS = ("cookie.key", "mlflow-flask.key")
_EVERYWHERE = ("platform", "people")
"""Whose tokens reach every workspace: the platform itself, and people with MLflow's own screen."""


def ensure(home: Home) -> None:
    """Make what is missing, and close what others could read.

    Raises:
        PlatformError: The folder cannot be written.
    """
    _open_folder(home)
    with held(home.secrets / ".lock"):
        for name in _KEYS:
            _once(home.secrets / name)
        for name in _EVERYWHERE:
            _once(home.secrets / f"mlflow-{name}.token")
        _write_tokens(home)
        for path in home.secrets.iterdir():
            if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)


def project_token(home: Home, project_id: str) -> str:
    """Return the token of a project, which reaches that project's workspace alone.

    Raises:
        InputError: No project can have this id.
        PlatformError: The folder cannot be written.
    """
    if not _PROJECT_ID.fullmatch(project_id):
        raise InputError(
            f"{project_id[:60]!r} is not a project id.",
            "An id is a lower-case letter, then 1 to 40 lower-case letters, digits or hyphens.",
        )
    path = home.secrets / f"mlflow-project-{project_id}.token"
    _open_folder(home)
    with held(home.secrets / ".lock"):
        token = _once(path)
        _write_tokens(home)
    return token


def read_secret(home: Home, name: str) -> str:
    """Return a secret by file name.

    Raises:
        PlatformError: It is not there or not readable.
    """
    path = home.secrets / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PlatformError(f"{path} cannot be read.", "`mlops up` makes it.") from error


def _open_folder(home: Home) -> None:
    try:
        home.create()
    except OSError as error:
        raise PlatformError(
            f"The home folder {home.root} cannot be used: {error.strerror or error}.",
            "Check who owns it, or set MLOPS_HOME to a folder of yours.",
        ) from error


def _once(path: Path) -> str:
    """Return the secret in ``path``, made when missing or empty (a start that was cut off)."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be read: {error.strerror or error}.", "Check who owns it."
        ) from error
    if not found:
        found = randomness.token_urlsafe(32)
        write_text(path, found + "\n")
    return found


def _write_tokens(home: Home) -> None:
    """Bring ``mlflow-tokens.json`` in line with the token files, and write only a change."""
    path = home.secrets / "mlflow-tokens.json"
    wanted: dict[str, object] = {}
    for file in sorted(home.secrets.glob("mlflow-*.token")):
        name = file.stem.removeprefix("mlflow-")
        workspace = name.removeprefix("project-") if name.startswith("project-") else None
        token = file.read_text(encoding="utf-8").strip()
        holder = {"name": workspace or name, "workspace": workspace}
        wanted[hashlib.sha256(token.encode()).hexdigest()] = holder
    if read_or_set_aside(path) != wanted:
        write_json(path, wanted)
