"""Taking a machine's telemetry away: in one step for who reads or merges, then file by file.

The folder is renamed first, to a name no machine can have, so that a kill leaves a machine that is
there whole or gone whole. What is left of such a folder is cleared by the next removal or merge.
"""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from services.errors import ConflictError, PlatformError
from services.telemetry.folder import HostFolder, lock

_MARK = ".removed-"
_MERGE_S = 20.0
"""So long a merge, which takes a second or two an hour, is waited for."""


def remove(root: Path, folder: HostFolder, host: str) -> None:
    """Remove a machine's files, all of them.

    Raises:
        ConflictError: A process writes them, or a merge does not end.
        PlatformError: They cannot be removed; what is left is no machine any more.
    """
    with _no_merge(root, host):
        try:
            handle = lock(folder.path / "writer.lock", "")
        except PlatformError:
            raise ConflictError(
                f"What {host} sent is still open to be written.",
                "Try again in a minute: it is closed when nothing has come for that long.",
            ) from None
        try:
            folder.path.rename(root / f"{_MARK}{folder.slug[:80]}-{secrets.token_hex(4)}")
        except OSError as error:
            raise _refused(host, error) from error
        finally:
            os.close(handle)
    cleared(root)


def cleared(root: Path) -> None:
    """Clear what an earlier removal left, with a sentence when that is not possible.

    Raises:
        PlatformError: Something of it cannot be removed.
    """
    try:
        sweep(root)
    except OSError as error:
        raise _refused("a machine that was removed", error) from error


def sweep(root: Path) -> None:
    """Clear what an earlier removal left.

    Raises:
        OSError: Something of it cannot be removed.
    """
    for path in root.glob(f"{_MARK}*"):
        with contextlib.suppress(FileNotFoundError):  # another process clears it as well
            shutil.rmtree(path)


@contextlib.contextmanager
def _no_merge(root: Path, host: str) -> Iterator[None]:
    """Hold the lock of merges, so that none writes into a folder that goes."""
    end = time.monotonic() + _MERGE_S
    while True:
        try:
            handle = lock(root / "compaction.lock", "")
            break
        except PlatformError:
            if time.monotonic() > end:
                raise ConflictError(
                    f"The telemetry is being merged: {host} was not removed.",
                    "Try again in a minute.",
                ) from None
            time.sleep(0.1)
    try:
        yield
    finally:
        os.close(handle)


def _refused(host: str, error: OSError) -> PlatformError:
    return PlatformError(
        f"The telemetry of {host} could not be removed: {error.strerror or error}.",
        "Look who owns the folder, then ask again.",
    )
