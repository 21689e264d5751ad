"""Whether an engine may open its database: one that was lost or overwritten is not begun anew."""

import contextlib
import sqlite3
from pathlib import Path

_MAGIC = b"SQLite format 3\0"


def mlflow_fault(database: Path, artifacts: Path) -> str:
    """Return why MLflow must not be started on this database, empty when it may.

    MLflow makes a missing database, and would so hide that the one before is gone.
    """
    try:
        with database.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        return _lost(database, artifacts, "is gone")
    except OSError as error:
        return f"MLflow's database {database} cannot be read ({error.strerror or error})."
    if not start:
        return _lost(database, artifacts, "is empty")
    said = "file is not a database" if start != _MAGIC else _unsound(database)
    if said:
        return f"MLflow's database {database} is damaged ({said}). Nothing was changed. {_MEND}"
    return ""


_MEND = (
    "Put a copy of it in its place; or move it away to begin an empty one: "
    "the runs and models it held are then known to nobody."
)


def _lost(database: Path, artifacts: Path, how: str) -> str:
    if not artifacts.is_dir() or not any(artifacts.iterdir()):
        return ""  # a fresh installation, or one that never kept anything
    return (
        f"MLflow's database {database} {how}, but {artifacts} holds what runs left. Nothing was "
        f"changed. Put a copy of the database in its place; or move {artifacts} away as well to "
        "begin anew."
    )


def _unsound(database: Path) -> str:
    try:
        reading = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0)
        with contextlib.closing(reading) as ours:
            ours.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return ""  # held by somebody: that is no damage
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def journal_fault(journal: Path) -> str:
    """Return what is wrong with the journal's file, empty when nothing is or it is not there."""
    try:
        with journal.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{journal} cannot be read ({error.strerror or error})."
    said = "file is not a database" if start != _MAGIC else _unsound(journal)
    return f"{journal} is damaged ({said}). Nothing was changed." if said else ""
