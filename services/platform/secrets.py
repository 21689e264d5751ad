"""The secrets of one installation: made once, readable by their owner alone.

``mlflow-tokens.json`` is what our MLflow server checks: the SHA-256 of each token, whose it is, and
the one workspace it reaches (null is all). The plain tokens lie beside it, one file each.

``airflow-passwords.json`` is what our Airflow's simple auth manager checks: user names and their
passwords, as that manager wants them. ``admin`` is for people, ``platform`` for ourselves, so that
Airflow's own audit log tells the two apart.
"""

import base64
import hashlib
import re
import secrets as randomness
import stat
from collections.abc import Callable
from pathlib import Path

from services.errors import InputError, PlatformError
from services.home import Home
from services.platform.files import read_json, read_or_set_aside, write_json, write_text
from services.platform.lock import held

_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")
_KEYS = ("cookie.key", "mlflow-flask.key", "airflow-jwt.key", "airflow-api.key")
EVIDENTLY_FILE = "evidently-people.token"
"""What the screen of Evidently asks for."""
_FERNET = "airflow-fernet.key"
_PASSWORDS = "airflow-passwords.json"
AIRFLOW_USERS = ("admin", "platform")
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
        _once(home.secrets / EVIDENTLY_FILE)
        _write_tokens(home)
        # Fernet wants 32 bytes in just this writing, with the padding.
        _once(home.secrets / _FERNET, lambda: base64.urlsafe_b64encode(_random()).decode())
        _write_passwords(home.secrets / _PASSWORDS)
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


def airflow_worker_key(home: Home) -> str:
    """Return the key with which workers on other machines come to our own Airflow.

    Raises:
        PlatformError: The folder cannot be written.
    """
    _open_folder(home)
    with held(home.secrets / ".lock"):
        return _once(home.secrets / "airflow-workers.key")


def airflow_passwords(home: Home) -> Path:
    """Return the file with the passwords of our Airflow's users."""
    return home.secrets / _PASSWORDS


def airflow_password(home: Home, user: str) -> str:
    """Return a user's password for our own Airflow.

    Raises:
        PlatformError: It was never made: the platform did not start yet.
    """
    path = airflow_passwords(home)
    document = read_json(path) or {}
    password = document.get(user)
    if not isinstance(password, str) or not password:
        raise PlatformError(f"{path} holds no password of {user}.", "`mlops up` makes it.")
    return password


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


def _random() -> bytes:
    return randomness.token_bytes(32)


def _written() -> str:
    return randomness.token_urlsafe(32)


def _once(path: Path, make: Callable[[], str] = _written) -> str:
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
        found = make()
        write_text(path, found + "\n")
    return found


def _write_passwords(path: Path) -> None:
    """Give every user of our Airflow a password; what a person changed there stays."""
    document = read_or_set_aside(path)
    missing = [user for user in AIRFLOW_USERS if not document.get(user)]
    if missing:
        write_json(path, document | {user: _written() for user in missing})


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
