"""The same bytes in a second place without a second copy: a clone, a hard link, a copy at last.

Every function leaves the old file or the new one, never a part: what is new is made beside its
place and renamed over it.
"""

import errno
import itertools
import os
import shutil
import stat
from pathlib import Path

PREFIX = ".mlops-part-"
"""Begin of the name of a file that is not finished; one that is left over may be deleted."""
CACHED = 0o444
"""What belongs to the cache is read-only, as DVC has it."""
_NOT_HERE = {
    errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.ENOTTY, errno.ENOSYS, errno.EINVAL,
    errno.EOPNOTSUPP, errno.EMLINK, errno.EAGAIN,
}  # fmt: skip
_NEVER_HERE = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.ENOSYS}
_no_clones: set[tuple[int, int]] = set()
"""Pairs of devices that were found to know no clones: trying costs a file made and deleted."""
_numbers = itertools.count()
_umask = os.umask(0)
os.umask(_umask)


def put(source: Path, target: Path) -> None:
    """Make ``target`` hold what ``source`` holds: a clone, else a hard link, else a copy.

    Raises:
        OSError: The folder is missing or not writable, or the disk is full.
    """
    devices = source.lstat().st_dev, target.parent.stat().st_dev
    if devices in _no_clones and _link_new(source, target):
        return
    part = part_of(target)
    for way in (_clone, _link, shutil.copyfile):
        if way is _clone and devices in _no_clones:
            continue
        try:
            way(source, part)
            break
        except OSError as error:
            part.unlink(missing_ok=True)
            if error.errno not in _NOT_HERE:
                raise
            if way is _clone and error.errno in _NEVER_HERE:
                _no_clones.add(devices)
    try:
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)  # a rename of one link of a file over another is none


def _link_new(source: Path, target: Path) -> bool:
    """Link where nothing is yet, which is one step by itself; False when it must be another way."""
    try:
        _link(source, target)
    except OSError as error:
        if error.errno in _NOT_HERE or error.errno == errno.EEXIST:
            return False
        raise
    return True


def write(target: Path, content: bytes) -> None:
    """Write a file of the cache whole."""
    part = part_of(target)
    try:
        part.write_bytes(content)
        part.chmod(CACHED)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def part_of(target: Path) -> Path:
    """Return the name under which what goes to ``target`` is made."""
    return target.with_name(f"{PREFIX}{os.getpid()}-{next(_numbers)}")


def release(path: Path) -> bool:
    """Make a file its owner's again: writable, and no link to the cache; False when it was."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False
    if found.st_nlink == 1 and found.st_mode & stat.S_IWUSR:
        return False
    if found.st_nlink == 1:
        path.chmod(0o666 & ~_umask)
        return True
    part = part_of(path)
    try:
        try:
            _clone(path, part)
        except OSError:
            part.unlink(missing_ok=True)
            shutil.copyfile(path, part)
        part.chmod(0o666 & ~_umask)
        os.utime(part, ns=(found.st_atime_ns, found.st_mtime_ns))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return True


def _clone(source: Path, part: Path) -> None:
    from dvc_objects.fs.system import reflink

    reflink(str(source), str(part))  # type: ignore[no-untyped-call]  # DVC's
    part.chmod(0o666 & ~_umask)  # clones take the permissions of the original on a Mac


def _link(source: Path, part: Path) -> None:
    os.link(source, part, follow_symlinks=False)
