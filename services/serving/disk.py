"""Read-only folders that are there whole or not at all: what bundles do with the disk."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.errors import BundleError

ANEW = "Nothing of it was loaded. Deploy the version again to build its bundle anew."
CHUNK = 1 << 20


@contextlib.contextmanager
def plain(file: Path) -> Iterator[int]:
    """Open a plain file, never through a link."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what the disk says into a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise BundleError(f"{what} is missing.", ANEW) from error
    except OSError as error:
        raise BundleError(f"{what} cannot be used: {error.strerror or error}.", ANEW) from error


def copy(source: Path, target: Path) -> dict[str, Any]:
    """Copy a plain file; return its size and hash."""
    digest, count = hashlib.sha256(), 0
    with plain(source) as handle, target.open("xb") as out:
        while piece := os.read(handle, CHUNK):
            out.write(piece)
            digest.update(piece)
            count += len(piece)
        out.flush()
        os.fsync(out.fileno())
    return {"bytes": count, "sha256": digest.hexdigest()}


def put(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    """Write a new file; return what a manifest says of it."""
    with (folder / name).open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def seal(folder: Path) -> None:
    """Make everything read-only, and wait until the disk has it."""
    for above, _, names in os.walk(folder, topdown=False):
        for name in names:
            Path(above, name).chmod(0o444)
        Path(above).chmod(0o555)
        sync(Path(above))


def sync(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def delete(path: Path) -> None:
    """Delete a read-only tree."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    for above, _, _ in os.walk(path):
        Path(above).chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the one lock of a version's bundle, over processes and threads."""
    with told(f"The folder {target.parent}"):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(
            target.with_name(f".{target.name}.lock"),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o600,
        )
    try:
        with told(f"The lock of {target}"):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
