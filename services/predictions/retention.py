"""Predictions are kept for some days, by whole days."""

import contextlib
import shutil

from services.predictions.folder import Folder, day

_DAY_S = 86_400.0


def remove_old(folder: Folder, days: float, now_s: float) -> int:
    """Remove what is older, and what was made of it; return how many folders of a day went.

    A reader that is at it looks again and finds less.
    """
    oldest = day(now_s - days * _DAY_S)
    gone = 0
    for partition in [*folder.all(), *folder.paired()]:
        if partition.day < oldest:
            shutil.rmtree(partition.path, ignore_errors=True)
            gone += 1
            for above in list(partition.path.parents)[: len(partition.keys) - 1]:
                with contextlib.suppress(OSError):  # others are in it
                    above.rmdir()
    for path in [*folder.unknown_files(), *folder.quarantine.glob("*")]:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < now_s - days * _DAY_S:
                path.unlink()
    return gone
