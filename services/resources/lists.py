"""A short list in a JSON file: read whole, changed under a lock, written whole by rename.

For what several processes of one machine change now and then. A crash leaves the old file or the
new one; a file that cannot be read is set aside and said so, and the list begins anew.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from services.errors import PlatformError
from services.telemetry.folder import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

T = TypeVar("T", bound="DataclassInstance")
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError)


class ListFile(Generic[T]):
    """Frozen dataclasses in a file; any number of these in any number of processes."""

    def __init__(
        self, path: Path, what: str, restored: Callable[[dict[str, Any]], T], lost: str
    ) -> None:
        """Begin.

        Args:
            path: The file; its folder exists.
            what: Its content in the plural, e.g. ``leases``.
            restored: Makes one of them of what was read; raises ``ValueError`` or ``TypeError``.
            lost: What happens when the file was lost, as a sentence.
        """
        self._path = path
        self._what = what
        self._restored = restored
        self._lost = lost

    def read(self) -> list[T]:
        """Return the list; empty without a file, or with one that cannot be read.

        Raises:
            PlatformError: The file cannot be opened.
        """
        try:
            said = orjson.loads(self._path.read_bytes())
            return [self._restored(one) for one in said[self._key]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PlatformError(
                f"The {self._what} cannot be read: {error.strerror or error}.",
                f"See who owns {self._path}.",
            ) from error
        except _DAMAGED as error:
            name = f"{self._path.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}"
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_name(name))
            logger.warning(
                "%s cannot be read (%s); it was set aside as %s. %s",
                self._path, error, name, self._lost,
            )  # fmt: skip
            return []

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[T]]:
        """Hold the lock, hand out the list, and write it when it is another one at the end.

        Raises:
            PlatformError: It cannot be read or written; what was there stays.
        """
        with self._locked():
            found = self.read()
            held = list(found)
            yield held
            if held != found:
                self._write(held)

    def write(self, whole: list[T]) -> None:
        """Replace the list.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        with self.changing() as held:
            held[:] = whole

    def _write(self, held: list[T]) -> None:
        document = {"v": 1, self._key: [asdict(one) for one in held]}
        try:
            write_whole(self._path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        except OSError as error:
            raise PlatformError(
                f"The {self._what} could not be written: {error.strerror or error}.",
                f"Free some space and see that {self._path.parent} can be written.",
            ) from error

    @property
    def _key(self) -> str:
        return self._what.partition(" ")[0]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._path.with_suffix(".lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlatformError(
                f"The lock of the {self._what} cannot be made: {error.strerror or error}.",
                f"See that {self._path.parent} is there and can be written.",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
