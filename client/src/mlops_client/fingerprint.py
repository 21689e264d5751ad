"""What a project's listed files are, without reading them: names, sizes and times.

The services compute the same: as long as it is the same, nothing needs to be recorded. The rule:
SHA-256 over ``PATH NUL SIZE NUL MTIME_NS NEWLINE`` of every regular file under the listed paths, in
order of path, each path relative to the project's folder with ``/`` between its parts.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PART = ".mlops-part-"
"""Begin of the names of files that a checkout has not finished."""
_NEVER = frozenset({".git", ".dvc", ".mlops", ".venv"})

_Found = tuple[str, os.stat_result]


class UnlistableError(ValueError):
    """There is something that cannot be recorded; the command that records says what and why."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is under the listed paths of a project."""

    fingerprint: str
    files: int
    bytes: int
    is_linked: bool
    """Whether a file is read-only or shared with the cache: it cannot be written over."""


def look(root: Path, paths: Iterable[str]) -> Listing:
    """Return what is under the paths; what is not there is no fault.

    Raises:
        UnlistableError: A symbolic link, a device, a name that is not UTF-8, a path that leaves
            the project.
        OSError: A folder cannot be read.
    """
    found: dict[str, os.stat_result] = {}
    for path in paths:
        found.update(_below(root, _plain(path)))
    digest = hashlib.sha256()
    total, linked = 0, False
    for path, told in sorted(found.items()):
        digest.update(f"{path}\0{told.st_size}\0{told.st_mtime_ns}\n".encode())
        total += told.st_size
        linked = linked or told.st_nlink > 1 or not told.st_mode & stat.S_IWUSR
    return Listing(digest.hexdigest(), len(found), total, linked)


def _plain(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or parts[0] in _NEVER:
        raise UnlistableError(path)
    return "/".join(parts)


def _below(root: Path, path: str) -> Iterator[_Found]:
    step = root
    for part in path.split("/"):
        step /= part
        if step.is_symlink():
            raise UnlistableError(path)
    try:
        found = step.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(found.st_mode):
        yield from _walk(str(step), path)
    else:
        yield _file(path, found)


def _walk(folder: str, path: str) -> Iterator[_Found]:
    with os.scandir(folder) as listing:
        for entry in listing:
            name = f"{path}/{entry.name}"
            if entry.is_symlink():
                raise UnlistableError(name)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, name)
            elif not entry.name.startswith(_PART):
                yield _file(name, entry.stat(follow_symlinks=False))


def _file(path: str, found: os.stat_result) -> _Found:
    if not stat.S_ISREG(found.st_mode) or not _is_text(path):
        raise UnlistableError(path)
    return path, found


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
