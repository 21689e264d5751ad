"""What must be there before Airflow can start: its environment, and its database as it wants it.

``python -m services.platform.airflow_setup`` makes both; the keeper of Airflow runs it, while all
other engines start. Its last line is the sentence people read when it fails.
"""

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import MlopsError, PlatformError
from services.home import Home, toolkit_root
from services.platform import bootstrap
from services.platform.files import read_json, write_json

if TYPE_CHECKING:
    from services.settings import Settings

_GROUP = "airflow"
_MIGRATION_TIMEOUT_S = 600.0
_QUERY = "SELECT version_num FROM alembic_version"


def missing(home: Home, database: str, stamp: str) -> str:
    """Return what Airflow waits for, empty when it can start.

    ``database`` is the setting: empty is SQLite at home. ``stamp`` is that of the pins.
    """
    if not bootstrap.is_current(toolkit_root(), _GROUP):
        return "Its environment has to be made."
    done = _noted(home)
    if done.get("stamp") != stamp or done.get("database") != _digest(database):
        return "Its database has to be brought up to date."
    try:
        now = revision(home, database)
    except PlatformError as error:
        return error.message
    if now is None or now != done.get("revision"):
        return "Its database has to be made."
    return ""


def revision(home: Home, database: str) -> str | None:
    """Return the revision of the database's tables, None when there are none.

    Raises:
        PlatformError: It is damaged, or its server does not answer.
    """
    return _on_postgres(database) if database else _in_file(home.airflow / "airflow.db")


def _in_file(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reading:
            row = reading.execute(_QUERY).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise PlatformError(f"Airflow's database {path} cannot be read ({error}).") from error
    except sqlite3.DatabaseError as error:
        raise PlatformError(
            f"Airflow's database {path} is damaged ({error}). Nothing was changed.",
            "Put a copy of it in its place; or move it away to begin an empty one: workflows are "
            "made anew from the projects, and their past runs are then known to the mirror alone.",
        ) from error
    return str(row[0]) if row else None


def _on_postgres(url: str) -> str | None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError, ProgrammingError
    from sqlalchemy.pool import NullPool

    from services import postgres

    engine = postgres.open_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            row = connection.execute(text(_QUERY)).one_or_none()
    except ProgrammingError:
        return None  # there is no such table yet
    except DBAPIError as error:
        shown = postgres.shown(url)
        sentence = f"Airflow's database {shown} cannot be used ({postgres.said(error)})."
        raise PlatformError(sentence, postgres.hint(error)) from error
    return str(row[0]) if row else None


def make(home: Home, settings: "Settings") -> None:
    """Make what is missing.

    Raises:
        PlatformError: It could not be made.
        BootstrapError: The environment could not be made.
    """
    root = toolkit_root()
    stamp = bootstrap.stamp(root, _GROUP)
    if not bootstrap.is_current(root, _GROUP):
        bootstrap.make(root, _GROUP, stamp)
    database = settings.airflow_database
    done = _noted(home)
    before = revision(home, database)
    if done.get("stamp") != stamp or before is None or before != done.get("revision"):
        _say("Bringing Airflow's database up to date.")
        _migrate(home)
    after = revision(home, database)
    noted = {"stamp": stamp, "database": _digest(database), "revision": after}
    write_json(home.airflow / "ready.json", noted)


def _migrate(home: Home) -> None:
    from services.platform.airflow import environment, variables

    kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW__")}
    command = [str(environment() / "bin" / "python"), "-P", "-m", "airflow", "db", "migrate"]
    try:
        done = subprocess.run(
            command,
            cwd=home.airflow,
            env=kept | variables(home),
            timeout=_MIGRATION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlatformError(
            f"Airflow's database was not up to date within {_MIGRATION_TIMEOUT_S:.0f} s.",
            "Another program may hold it; it is tried again.",
        ) from error
    if done.returncode:
        raise PlatformError(
            f"Airflow's database could not be brought up to date (exit code {done.returncode}).",
            "`mlops logs airflow` has what Airflow said.",
        )


def _noted(home: Home) -> dict[str, object]:
    try:
        return read_json(home.airflow / "ready.json") or {}
    except PlatformError:
        return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def main() -> int:
    """Make what is missing; the last line says why when it cannot be made."""
    from services.platform.configuration import load_settings

    try:
        make(Home.locate(), load_settings())
    except bootstrap.BootstrapError as error:
        _say(str(error))
        return 1
    except MlopsError as error:
        _say(str(error))
        return 1
    except OSError as error:
        _say(f"Airflow could not be set up: {error}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
