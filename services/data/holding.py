"""What a version holds by content: how many files of another, and which are nowhere any more.

Both are read from DVC's own lists in the cache; no remote is asked over a network.
"""

import os
import threading
from itertools import islice
from pathlib import Path

from services.data.models import Held, Lost, Version
from services.data.project import ProjectData
from services.data.remote import Remote
from services.engines.dvc.models import Out

_EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of no bytes: a file without content is the same everywhere, and says nothing."""
_PAIRS_AT_MOST, _LISTS_AT_MOST = 200_000, 8
_Name = tuple[Path, str]
_pairs: dict[tuple[Path, str, str], Held] = {}
_lists: dict[_Name, frozenset[str]] = {}
_lock = threading.Lock()


def held(remote: Remote, of: Version, by: Version) -> Held:
    """Return how many of a version's files another holds, by content; a new name changes nothing.

    A revision says its content, so a pair that was counted once is not counted again.

    Raises:
        EngineRefusedError: A list of files is not in the cache.
        PlatformError: A data repository is damaged.
    """
    key = (remote.cache, of.revision, by.revision)
    found = _pairs.get(key)
    if found is None:
        theirs, mine = _files(remote, of), _files(remote, by)
        found = Held(len(theirs & mine), len(theirs))
        if len(_pairs) >= _PAIRS_AT_MOST:
            _pairs.clear()
        _pairs[key] = found
    return found


def _files(remote: Remote, version: Version) -> frozenset[str]:
    name = (remote.cache, version.revision)
    with _lock:
        found = _lists.pop(name, None)
    if found is None:
        project = ProjectData(version.project, remote)
        entries = project.dvc.listed(project.outs(version))
        found = frozenset(entry.md5 for entry in entries.values()) - {_EMPTY}
    with _lock:
        _lists[name] = found  # at the end: the one that was needed longest ago goes first
        while len(_lists) > _LISTS_AT_MOST:
            del _lists[next(iter(_lists))]
    return found


def lost(remote: Remote, version: Version, most: int = 0) -> Lost | None:
    """Return what of a version is neither in the cache nor on the remote; None: nothing is.

    Of a remote over a network it is believed what was written down when it was sent; a folder is
    looked at. A folder that is away is no loss.

    Args:
        remote: Where the cache and the remote are.
        version: The version.
        most: Files to look at beside the lists of files, spread evenly; 0: none.

    Raises:
        PlatformError: The data repository is damaged.
    """
    folder = None if remote.away() else remote.folder
    if folder is None and (version.remote == "there" or remote.folder is not None):
        return None
    project = ProjectData(version.project, remote)
    outs = project.outs(version)
    lists = [out for out in outs if _gone(out.md5, remote.cache, folder)]
    if lists:
        named, of = sum(out.files for out in lists), sum(out.files for out in outs)
        return Lost(named, of, listed=not any(out.is_folder for out in lists))
    files = _some(project, outs, most)
    gone = sum(1 for md5 in files if _gone(md5, remote.cache, folder))
    return Lost(gone, len(files)) if gone else None


def _some(project: ProjectData, outs: tuple[Out, ...], most: int) -> list[str]:
    """Return the hashes of some files, spread evenly, of the lists that are in the cache."""
    here = [out for out in outs if project.dvc.cached(out.md5) is not None]
    if not most or not here:
        return []
    files = sorted({entry.md5 for entry in project.dvc.listed(here).values()})
    return list(islice(files, 0, None, max(1, -(-len(files) // most))))


def _gone(md5: str, cache: Path, folder: Path | None) -> bool:
    places = (cache, folder) if folder is not None else (cache,)
    return not any(os.path.lexists(place / "files" / "md5" / md5[:2] / md5[2:]) for place in places)
