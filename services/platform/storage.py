"""What an installation takes on the disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from services.errors import PlatformError
from services.home import Home
from services.platform.configuration import load_settings
from services.platform.databases import ask, on_postgres
from services.postgres import shown


@dataclass(frozen=True, slots=True)
class Storage:
    """What lies on the disk: (what, path, bytes), None where it cannot be read."""

    parts: tuple[tuple[str, str, int | None], ...]
    free_bytes: int
    total_bytes: int


def measure(home: Home) -> Storage:
    """Return how much each part of the installation takes now.

    Raises:
        PlatformError: The settings cannot be read.
    """
    parts = (
        ("journal", "Journal, to be backed up", home.databases / "journal.sqlite"),
        ("mirror", "Mirror, rebuilt at need", home.databases / "mirror.sqlite"),
        ("MLflow", "MLflow database, to be backed up", home.mlflow / "mlflow.db"),
        ("Airflow", "Airflow database: past runs of workflows", home.airflow / "airflow.db"),
        ("logs", "Logs", home.logs),
    )
    elsewhere = dict(on_postgres(load_settings()))
    disk = shutil.disk_usage(home.root)
    measured = tuple(
        (what, shown(elsewhere[name]), _bytes_there(elsewhere[name]))
        if name in elsewhere
        else (what, str(path), _bytes_of(path))
        for name, what, path in parts
    )
    return Storage(measured, disk.free, disk.total)


def _bytes_there(url: str) -> int | None:
    try:
        return ask(url).database_bytes
    except PlatformError:
        return None


def _bytes_of(path: Path) -> int | None:
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError:
        return None
