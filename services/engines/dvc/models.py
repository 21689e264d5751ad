"""What DVC knows of files, in our words."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class File:
    """A regular file as the file system tells it, without its content."""

    path: str
    """Below the project's folder, with ``/``."""
    size: int
    """Bytes."""
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a version."""

    path: str
    """Below the project's folder, with ``/``."""
    md5: str
    size: int | None = None
    """Bytes; None when DVC did not write them down and the cache has no copy."""


@dataclass(frozen=True, slots=True)
class Out:
    """One tracked path of a version: a file, or a folder with all its files."""

    path: str
    md5: str
    """Of the file; of a folder the hash of its list of files, with ``.dir`` at its end."""
    size: int
    files: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What lies in the tracked paths at this moment."""

    outs: tuple[Out, ...]
    entries: dict[str, Entry]
    """By path."""
    files: dict[str, File]
    lists: dict[str, bytes] = field(default_factory=dict, repr=False)
    """The list of files of each folder, by its hash."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is; a total of None is not known yet."""

    what: str
    files: int
    files_total: int | None
    bytes: int
    bytes_total: int | None


Report = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Take progress and tell nobody."""
