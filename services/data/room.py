"""How much the cache takes."""

import os
from collections.abc import Iterator
from pathlib import Path

from services.data.models import Room


def measure(cache: Path) -> Room:
    """Return what lies in the cache; a file that comes or goes meanwhile is no fault.

    Each file is asked for its size: some 100,000 a second.
    """
    files = size = linked = 0
    for found in _stats(cache / "files" / "md5"):
        files += 1
        size += found.st_size
        linked += found.st_size if found.st_nlink > 1 else 0
    return Room(files, size, linked)


def _stats(objects: Path) -> Iterator[os.stat_result]:
    for folder in _entries(objects):
        for file in _entries(Path(folder.path)):
            try:
                yield file.stat(follow_symlinks=False)
            except OSError:  # pruned meanwhile
                continue


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError:  # nothing was kept yet, or it is a file of somebody's
        return []
