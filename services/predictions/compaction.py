"""Segments that nobody writes become Parquet files, each record in exactly one.

A segment's files have its name; while it is there it counts and they do not; it goes last. So a
kill at any point leaves every record readable once, and doing it again writes the same files.

``python -m services.predictions.compaction JSON`` is started by the engine when there is something
to do and ends when it is done: what columns took of memory goes with it.
"""

import contextlib
import logging
import os
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from services.errors import PlatformError
from services.home import Home
from services.predictions import columns, parquet, retention
from services.predictions.folder import Folder, day
from services.predictions.labels import Labels
from services.predictions.merging import Merging
from services.predictions.segments import FEEDBACK, Row, abandoned, decoded
from services.predictions.typed import NEEDED, Builder
from services.telemetry.folder import lock
from services.telemetry.frames import whole_frames

logger = logging.getLogger(__name__)

_PLACES = [list(columns.TYPES).index(name) for name in NEEDED]


@dataclass(slots=True)
class Done:
    """What one run did."""

    segments: int = 0
    predictions: int = 0
    labels: int = 0
    merged: int = 0
    """Files that went into others."""
    removed: int = 0
    """Days of a model that were too old."""


class Compactor:
    """The one process that writes Parquet; hold it as long as it works."""

    def __init__(self, home: Home, days: float) -> None:
        """Take the folder and sweep up what a killed one left.

        Args:
            home: Where everything is.
            days: How long predictions are kept.

        Raises:
            PlatformError: Another process is at it.
            OSError: The folder cannot be made.
        """
        self._folder = Folder(home)
        self._days = days
        self._folder.open.mkdir(mode=0o700, parents=True, exist_ok=True)
        said = f"Another process puts the predictions in {self._folder.path} into Parquet already."
        self._lock = lock(self._folder.path / "compaction.lock", said)
        self._labels = Labels(home, self._folder)
        self._merging = Merging(self._folder)
        for part in self._folder.path.rglob(f"{parquet.PART}*"):
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process do it."""
        os.close(self._lock)

    def run(self, now_s: float, *, all_labels: bool = True) -> Done:
        """Do what there is to do.

        Args:
            now_s: Seconds since 1970.
            all_labels: Whether labels that found nothing before are looked up again.

        Raises:
            PlatformError: The disk is full: everything is still readable, the next run goes on.
        """
        done = Done()
        troubles = []
        # Room first: what is too old may be what fills the disk.
        done.removed = retention.remove_old(self._folder, self._days, now_s)
        for path in self._folder.segments():
            try:
                self._compact(path, done)
            except FileNotFoundError:
                continue
            except OSError as error:
                troubles.append(f"{path.name}: {error.strerror or error}")
        try:
            self._labels.match(now_s, again=all_labels)
            done.merged = self._merging.run(now_s)
        except OSError as error:
            troubles.append(f"merging: {error.strerror or error}")
        self._sweep_reserves()
        if troubles:
            raise PlatformError(
                f"Predictions could not be put into Parquet ({'; '.join(troubles[:3])}). "
                "Nothing is lost.",
                "Free some space; it is tried again.",
            )
        return done

    def _compact(self, path: Path, done: Done) -> None:
        handle = abandoned(path)
        if handle is None:
            return
        try:
            data = path.read_bytes()
            rows, labels, damaged = _read(data)
            self._write_rows(path.stem, rows)
            self._write_features(path.stem, rows)
            if labels:
                self._labels.arrived(path.stem, labels)
            if damaged:
                self._set_aside(path, data, damaged)
            path.unlink()
        finally:
            os.close(handle)
        done.segments += 1
        done.predictions += len(rows)
        done.labels += len(labels)

    def _write_rows(self, name: str, rows: list[Row]) -> None:
        parts: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in rows:
            parts[row[2], row[3], day(row[1] / 1e6)].append(row)
        for key, some in parts.items():
            parquet.write(self._folder.of_rows(*key), name, columns.table(some))

    def _write_features(self, name: str, rows: list[Row]) -> None:
        parts: dict[tuple[str, str, int, str], Builder] = defaultdict(Builder)
        for row in rows:
            parts[row[2], row[3], row[4], day(row[1] / 1e6)].add(*(row[place] for place in _PLACES))
        for key, builder in parts.items():
            table = builder.table()
            if table is not None:
                parquet.write(self._folder.of_features(*key), name, table)

    def _set_aside(self, path: Path, data: bytes, damaged: int) -> None:
        sentence = (
            f"{damaged} bytes of {path.name} are damaged: the other predictions in it were kept, a "
            f"copy of the file is in {self._folder.quarantine}."
        )
        logger.warning("%s", sentence)
        with contextlib.suppress(OSError):  # without room for a copy the damage is in the log alone
            self._folder.quarantine.mkdir(exist_ok=True)
            (self._folder.quarantine / path.name).write_bytes(data)
            (self._folder.quarantine / f"{path.name}.txt").write_text(sentence, encoding="utf-8")

    def _sweep_reserves(self) -> None:
        for path in self._folder.reserves():
            with contextlib.suppress(OSError):
                handle = abandoned(path)
                if handle is not None:
                    path.unlink()
                    os.close(handle)


def _read(data: bytes) -> tuple[list[Row], list[Row], int]:
    """Return predictions by time, labels, and the bytes of damage; a torn tail is none."""
    found: dict[tuple[Any, ...], Row] = {}
    labels = []
    damaged = at = 0
    for begin, end, kind, row in decoded(data):
        damaged += begin - at
        at = end
        if kind == FEEDBACK:
            labels.append(row)
        else:
            found.setdefault(columns.identity(row), row)
    # A torn tail is no whole record; a whole one that is none of ours is kept for a person.
    damaged += sum(frame.end - begin for begin, frame in whole_frames(data, at))
    return sorted(found.values(), key=lambda row: row[1]), labels, damaged


def main(argument: str) -> int:
    """Do as the argument says, say what was done; return the exit code."""
    import pyarrow as pa

    asked = orjson.loads(argument)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.nice(5)  # whoever answers predictions goes first
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        compactor = Compactor(Home(Path(asked["home"])), asked["days"])
        done = compactor.run(time.time(), all_labels=asked["all_labels"])
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"Predictions cannot be put into Parquet: {error}. Nothing is lost.\n")
        return 1
    sys.stdout.write(orjson.dumps(asdict(done)).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
