"""Hashes of files, read once and remembered by inode, time and size in DVC's own state."""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.engines.dvc import links
from services.engines.dvc.models import Entry, File, Out, Report
from services.engines.dvc.progress import Meter, metered
from services.errors import EngineRefusedError

if TYPE_CHECKING:
    from dvc_data.hashfile.state import StateBase

_CHUNK_BYTES = 1 << 20
_THREADS = 4
_YOUNG_S = 2.0
"""A file written to so short ago may be written to again within the same tick of its clock."""


def entries(
    state: "StateBase", folder: Path, files: Sequence[File], report: Report
) -> dict[str, Entry]:
    """Return the hash of each file by path; what the state knows is not read."""
    from dvc_objects.fs.local import localfs

    infos = {f"{folder}{os.sep}{file.path}": _info(file) for file in files}
    known: dict[str, str] = {}
    for path, _, found in state.get_many(list(infos), localfs, infos):
        if found is not None and found.value and found.name == "md5":
            known[path] = found.value
    wanted = [path for path in infos if path not in known]
    size = sum(infos[path]["size"] for path in wanted)
    with metered("reading", report, len(wanted), size) as meter:
        fresh = dict(zip(wanted, _read_all(wanted, meter), strict=True))
    _save(state, fresh, infos)
    known |= fresh
    return {
        file.path: Entry(file.path, known[f"{folder}{os.sep}{file.path}"], file.size)
        for file in files
    }


def remember(state: "StateBase", folder: Path, known: Iterable[Entry]) -> None:
    """Write down the hashes of files that were just put in their place: they are what they are."""
    hashes, infos = {}, {}
    for entry in known:
        path = f"{folder}{os.sep}{entry.path}"
        found = os.lstat(path)
        hashes[path] = entry.md5
        infos[path] = _info(File(entry.path, found.st_size, found.st_mtime_ns, found.st_ino))
    _save(state, hashes, infos)


def _save(state: "StateBase", hashes: dict[str, str], infos: dict[str, dict[str, Any]]) -> None:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_objects.fs.local import localfs

    young = time.time() - _YOUNG_S
    state.save_many(
        [
            (path, HashInfo("md5", md5), infos[path])
            for path, md5 in hashes.items()
            if infos[path]["mtime"] < young
        ],
        localfs,
    )


def outs(paths: Sequence[str], found: dict[str, Entry]) -> tuple[tuple[Out, ...], dict[str, bytes]]:
    """Return the tracked paths that hold files, and the lists of the folders by their hash."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    made, lists = [], {}
    for path in paths:
        if path in found:
            made.append(Out(path, found[path].md5, found[path].size or 0, 1))
            continue
        within = [entry for name, entry in found.items() if name.startswith(f"{path}/")]
        if not within:
            continue
        tree = Tree()  # type: ignore[no-untyped-call]  # DVC's
        for entry in within:
            key = tuple(entry.path[len(path) + 1 :].split("/"))
            tree.add(key, Meta(size=entry.size), HashInfo("md5", entry.md5))
        content = tree.as_bytes()
        md5 = f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"
        lists[md5] = content
        made.append(Out(path, md5, sum(entry.size or 0 for entry in within), len(within)))
    return tuple(made), lists


def bad(path_of: Callable[[str], Path], hashes: Sequence[str], report: Report) -> tuple[str, ...]:
    """Return the cache files that are missing or damaged; the damaged are removed."""
    gone, there = [], {}
    for md5 in hashes:
        try:
            there[md5] = path_of(md5).lstat().st_size
        except FileNotFoundError:
            gone.append(md5)
    with metered("checking", report, len(there), sum(there.values())) as meter:
        read = _read_all([str(path_of(md5)) for md5 in there], meter)
        for md5, actual in zip(there, read, strict=True):
            if actual != md5.removesuffix(".dir"):
                path_of(md5).unlink(missing_ok=True)
                gone.append(md5)
            elif not is_cached_mode(path_of(md5).lstat()):
                path_of(md5).chmod(links.CACHED)
    return tuple(sorted(gone))


def is_cached_mode(found: os.stat_result) -> bool:
    """Return whether a file is read-only, as what belongs to the cache is."""
    return stat.S_IMODE(found.st_mode) == links.CACHED


def _read_all(paths: Sequence[str], meter: Meter) -> Iterator[str]:
    if len(paths) < 2:
        yield from (_read(path, meter) for path in paths)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="hash") as pool:
        yield from pool.map(lambda path: _read(path, meter), paths, chunksize=64)


def _read(path: str, meter: Meter) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a string, 50,000 times
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                meter.add(size=len(chunk))
    except PermissionError as error:
        raise EngineRefusedError(
            f"{path} cannot be read: it belongs to another user.", "Check its permissions."
        ) from error
    meter.add(files=1)
    return digest.hexdigest()


def _info(file: File) -> dict[str, Any]:
    return {
        "type": "file",
        "size": file.size,
        "ino": file.inode,
        "mtime": file.mtime_ns / 1e9,
        "mode": stat.S_IFREG,
        "nlink": 1,
        "islink": False,
    }
