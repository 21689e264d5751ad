"""How much room there is on the disks this installation writes to, asked within a millisecond."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from services.engines.mlflow.disk import ROOM_BYTES
from services.home import Home

FULL_BYTES = ROOM_BYTES
MEND = (
    "Free some space: old runs' artifacts, logs, or the uv cache (`uv cache prune`). "
    "Everything goes on by itself when there is room."
)


def free_bytes(home: Home) -> Iterator[tuple[Path, int]]:
    """Yield each disk once: a folder of ours on it, and its free bytes."""
    seen = set()
    for folder in (home.root, home.databases, home.mlflow, home.mlflow / "artifacts"):
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        device = nearest.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield nearest, shutil.disk_usage(nearest).free


def is_full(folder: Path) -> bool:
    """Return whether nothing can be written into this folder for want of room."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:  # not made yet, or not ours to look at
        return False


def full(home: Home) -> str:
    """Return which disk is full, what that means and its mend; empty when none is."""
    try:
        for folder, free in free_bytes(home):
            if free < FULL_BYTES:
                return f"{full_disk(folder, free)} {MEND}"
    except OSError:  # a folder that cannot be looked at: `mlops doctor` names it
        return ""
    return ""


def full_disk(folder: Path, free: int) -> str:
    """Return the sentence for a disk without room."""
    return (
        f"The disk is full: {free / 1e6:.1f} MB free at {folder}. What is written there fails; "
        "training goes on, and its clients keep what they log until there is room."
    )
