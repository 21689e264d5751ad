"""Where the prediction log keeps its files.

    predictions/open/WRITER-PID-START-NUMBER.seg    records as they were answered; locked while
                                                    their writer lives
                     WRITER-PID-START.reserve       room kept for a full disk
                project=P/model=M/date=D/*.parquet  a row a request
                features/project=P/model=M/version=V/date=D/*.parquet    a row a row, typed
                feedback/project=P/model=M/date=D/*.parquet    labels, by the prediction's day
                feedback/unknown/*.parquet          labels of requests that were never seen
                paired/project=P/model=M/date=D/*.parquet    what files of labels came to: made
                                                    again when it is missing
                quarantine/                         damaged segments, each with a sentence

Days are UTC. A Parquet file that came of one segment has the segment's name: who finds both reads
the segment. One that came of several files names them in a ``.json`` beside it until they are gone.
"""

import hashlib
import os
import string
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import unquote

import orjson

from services.home import Home

SEGMENT = ".seg"
RESERVE = ".reserve"
PARQUET = ".parquet"
MERGED = "merged"
"""How the names of files begin that came of several."""

_PLAIN = frozenset(string.ascii_lowercase + string.digits + " +@-_.")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Partition:
    """One folder of Parquet files."""

    path: Path
    keys: dict[str, str]

    @property
    def day(self) -> str:
        """Return the day, ``YYYY-MM-DD``."""
        return self.keys.get("date", "")

    def files(self, segments: frozenset[str] = frozenset()) -> list[Path]:
        """Return the files that count.

        Args:
            segments: Names without ending of segments that are read themselves.

        Raises:
            OSError: The folder went meanwhile: look again.
        """
        names = set(os.listdir(self.path))  # noqa: PTH208  ten times as fast as building paths
        files = {name for name in names if name.endswith(PARQUET)}
        for name in [name for name in files if name.startswith(MERGED)]:
            files -= set(sources(self.path / name))
        return [self.path / n for n in sorted(files) if n.removesuffix(PARQUET) not in segments]


def sources(merged: Path) -> list[str]:
    """Return the names of files that a merged one holds and that may still be there."""
    try:
        said = orjson.loads(merged.with_suffix(".json").read_bytes())
    except FileNotFoundError:
        return []
    return [str(name) for name in said["sources"]]


class Folder:
    """The prediction log's folder."""

    def __init__(self, home: Home) -> None:
        self.path = home.serving / "predictions"
        self.open = self.path / "open"
        self.quarantine = self.path / "quarantine"
        self.unknown = self.path / "feedback" / "unknown"

    def segments(self) -> list[Path]:
        """Return the segments not yet in Parquet, oldest first of each writer."""
        return [self.open / n for n in sorted(_names(self.open)) if n.endswith(SEGMENT)]

    def reserves(self) -> list[Path]:
        """Return the rooms that are kept for a full disk."""
        return [self.open / n for n in sorted(_names(self.open)) if n.endswith(RESERVE)]

    def unknown_files(self) -> list[Path]:
        """Return the files of labels whose request was never seen."""
        return [self.unknown / n for n in sorted(_names(self.unknown)) if n.endswith(PARQUET)]

    def of_rows(self, project: str, model: str, day: str) -> Path:
        """Return the folder of a day's predictions."""
        return self.path / _key("project", project) / _key("model", model) / f"date={day}"

    def of_features(self, project: str, model: str, version: int, day: str) -> Path:
        """Return the folder of a day's typed columns."""
        base = self.path / "features" / _key("project", project) / _key("model", model)
        return base / f"version={version}" / f"date={day}"

    def of_feedback(self, project: str, model: str, day: str) -> Path:
        """Return the folder of the labels of a day's predictions."""
        base = self.path / "feedback" / _key("project", project)
        return base / _key("model", model) / f"date={day}"

    def rows(self, project: str | None = None, model: str | None = None) -> list[Partition]:
        """Return the folders of predictions, by day."""
        return self._partitions(self.path, project=project, model=model)

    def features(
        self, project: str | None = None, model: str | None = None, version: int | None = None
    ) -> list[Partition]:
        """Return the folders of typed columns, by day."""
        asked = None if version is None else str(version)
        base = self.path / "features"
        return self._partitions(base, project=project, model=model, version=asked)

    def feedback(self, project: str | None = None, model: str | None = None) -> list[Partition]:
        """Return the folders of labels, by day."""
        return self._partitions(self.path / "feedback", project=project, model=model)

    def of_paired(self, feedback: Partition) -> Path:
        """Return the folder of what the files of a day's labels came to."""
        return self.path / "paired" / feedback.path.relative_to(self.path / "feedback")

    def paired(self) -> list[Partition]:
        """Return the folders of what files of labels came to; they hold nothing of their own."""
        return self._partitions(self.path / "paired", project=None, model=None)

    def all(self) -> list[Partition]:
        """Return every folder of Parquet files that holds what was written."""
        return [*self.rows(), *self.features(), *self.feedback()]

    @staticmethod
    def _partitions(base: Path, **asked: str | None) -> list[Partition]:
        found = [Partition(base, {})]
        for key, wanted in [*asked.items(), ("date", None)]:
            names = [(one, _under(one.path, key, wanted)) for one in found]
            found = [
                Partition(one.path / name, {**one.keys, key: unquote(name.partition("=")[2])})
                for one, below in names
                for name in below
            ]
        return sorted(found, key=lambda one: one.day)


def day(at: float) -> str:
    """Return the day of a moment, ``YYYY-MM-DD`` in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def day_of_id(request_id: str) -> str | None:
    """Return the day on which a request came, None of an id that does not tell."""
    plain = request_id.replace("-", "")
    if len(plain) != 32 or plain[12] != "7":
        return None
    try:
        return day(int(plain[:12], 16) / 1000)
    except (ValueError, OverflowError, OSError):
        return None


def near(one: str, other: str) -> bool:
    """Return whether two days are at most one apart."""
    return abs((date.fromisoformat(one) - date.fromisoformat(other)).days) <= 1


def _key(key: str, value: str) -> str:
    """Return a folder's name, another one for each value also where capitals are small letters."""
    said = "".join(c if c in _PLAIN else "".join(f"%{b:02X}" for b in c.encode()) for c in value)
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST - 20]}~{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    return f"{key}={said}"


def _under(path: Path, key: str, wanted: str | None) -> list[str]:
    if wanted is not None:
        name = _key(key, wanted)
        return [name] if (path / name).is_dir() else []
    return [name for name in sorted(_names(path)) if name.startswith(f"{key}=")]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  ten times as fast as building paths
    except (FileNotFoundError, NotADirectoryError):
        return []
