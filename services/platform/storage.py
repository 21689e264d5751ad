"""What an installation takes on the disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from services.home import Home


@dataclass(frozen=True, slots=True)
class Storage:
    """What lies on the disk: (what, path, bytes), None where it cannot be read."""

    parts: tuple[tuple[str, str, int | None], ...]
    free_bytes: int
    total_bytes: int


def measure(home: Home) -> Storage:
    """Return how much each part of the installation takes now."""
    parts = (
        ("Journal, the one thing to back up", home.databases / "journal.sqlite"),
        ("Mirror, rebuilt at need", home.databases / "mirror.sqlite"),
        ("MLflow database", home.mlflow / "mlflow.db"),
        ("Logs", home.logs),
    )
    disk = shutil.disk_usage(home.root)
    measured = tuple((what, str(path), _bytes_of(path)) for what, path in parts)
    return Storage(measured, disk.free, disk.total)


def _bytes_of(path: Path) -> int | None:
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError:
        return None
