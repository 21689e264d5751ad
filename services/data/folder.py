"""The tracked files of a project's folder: found without following a link, named without reading.

The fingerprint is what the client computes as well, with a ``stat`` a file: as long as it is the
same, nothing needs to be asked.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from services.engines.dvc.models import File
from services.errors import InputError, PlatformError

_NEVER = {".git", ".dvc", ".mlops", ".venv"}
_IGNORED = {".DS_Store"}
"""The Finder writes it into every folder it shows: it is nobody's data."""
PARTS = ".mlops-part-"
"""Begin of the names of unfinished files; after a crash they lie about until they are cleared."""


def listed(paths: Sequence[str], others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the paths a project lists, in one form: ``data/`` and ``./data`` are ``data``.

    Raises:
        InputError: One lies in another, or in one of ``others``, or is a place of ours.
    """
    found = tuple(dict.fromkeys(_plain(path) for path in paths))
    both = [*found, *(_plain(path) for path in others)]
    for number, path in enumerate(both):
        for other in both[number + 1 :]:
            if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/"):
                raise InputError(
                    f"[tool.mlops] lists {path!r} and {other!r}: one lies in the other.",
                    "Each file belongs to one path, and to data or to models.",
                )
    return found


def _plain(path: str) -> str:
    parts = PurePosixPath(path).parts
    bad = not parts or parts[0] == "/" or ".." in parts or parts[0] in _NEVER
    if bad or any(ord(sign) < 32 for sign in path):
        raise InputError(
            f"{path[:200]!r} cannot be tracked: it leaves the project's folder, or is no data.",
            "List folders of the project under data and models in [tool.mlops].",
        )
    return "/".join(parts)


def scan(root: Path, paths: Iterable[str]) -> tuple[File, ...]:
    """Return every regular file below the paths, in order of path; what is not there is no fault.

    Raises:
        InputError: There is a symbolic link, a device, or a name that is not UTF-8.
        PlatformError: A folder cannot be read.
    """
    found: list[File] = []
    for path in paths:
        try:
            found.extend(_below(root, path))
        except OSError as error:
            raise PlatformError(
                f"{root / path} cannot be read: {error.strerror or error}.",
                "Check who owns it and its permissions.",
            ) from error
    found.sort(key=lambda file: file.path)
    return tuple(found)


def tracked(files: Iterable[File]) -> tuple[File, ...]:
    """Return the files that belong to a version."""
    return tuple(file for file in files if file.path.rpartition("/")[2] not in _IGNORED)


def fingerprint(files: Iterable[File]) -> str:
    """Return the SHA-256 over ``PATH NUL SIZE NUL MTIME_NS NEWLINE`` of each file, in order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\n".encode())
    return digest.hexdigest()


def clear_parts(root: Path, paths: Iterable[str]) -> None:
    """Delete what an operation that was killed left unfinished; only while the lock is held."""
    for path in paths:
        for folder, _, names in os.walk(root / path):
            for name in names:
                if name.startswith(PARTS):
                    (Path(folder) / name).unlink(missing_ok=True)
    for path in paths:
        for left in (root / path).parent.glob(f"{PARTS}*"):
            left.unlink(missing_ok=True)


def _below(root: Path, path: str) -> Iterator[File]:
    for step in _steps(path):
        if (root / step).is_symlink():
            _refuse_link(root, step)
    top = root / path
    try:
        found = top.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(found.st_mode):
        yield from _walk(root, str(top), path)
    else:
        yield _file(path, found)


def _steps(path: str) -> Iterator[str]:
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _walk(root: Path, folder: str, path: str) -> Iterator[File]:
    with os.scandir(folder) as listing:
        for entry in listing:
            name = f"{path}/{entry.name}"
            if entry.is_symlink():
                _refuse_link(root, name)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, entry.path, name)
            elif not entry.name.startswith(PARTS):
                yield _file(name, entry.stat(follow_symlinks=False))


def _file(path: str, found: os.stat_result) -> File:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{path.encode(errors='replace').decode()[:200]} has a name that is not valid UTF-8.",
            "Rename it: its name could be neither stored nor shown.",
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(
            f"{path[:200]} is neither a file nor a folder.", "Move pipes and devices elsewhere."
        )
    return File(path, found.st_size, found.st_mtime_ns, found.st_ino)


def _refuse_link(root: Path, path: str) -> None:
    leads = str((root / path).readlink())
    raise InputError(
        f"{path[:200]} is a symbolic link to {leads[:200]}: links are not followed, they may leave "
        "the project.",
        "Put the file itself there, or share another project's data with `mlops data share`.",
    )
