"""The change feed between our MLflow server and the mirror: append-only files of JSON lines.

Files and not calls: an idle cycle of the reader is one look at a folder, a restart of either side
loses nothing, and the writer never waits for a reader.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_ROTATE_BYTES = 8 << 20
_FILES_KEPT = 3


@dataclass(frozen=True, slots=True)
class Note:
    """One write the server answered: which workspace, what kind, which runs."""

    workspace: str
    kind: str
    """run, registry, workspace, other; or boot when the server started."""
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: the number of the file and the offset in bytes."""

    number: int = 0
    offset: int = 0


def _path(folder: Path, number: int) -> Path:
    return folder / f"feed-{number:06}.log"


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the files there are, oldest first."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - asked four times a second: no objects
    except FileNotFoundError:
        return []
    return sorted(int(name[5:-4]) for name in names if name.startswith("feed-"))


class FeedWriter:
    """Appends notes; one line is one ``write``, so several processes may share the file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = (_numbers(folder) or [1])[-1]
        self._missed = False
        self._torn = False
        self._file = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return os.open(_path(self._folder, self._number), flags, 0o600)

    def boot(self, at: float) -> None:
        """Note that the server starts: a reader cannot know what the last one did not note."""
        self._append({"k": "boot", "w": "", "r": [], "t": round(at, 3)})

    def note(self, workspace: str, kind: str, runs: list[str]) -> None:
        """Note one write."""
        self._append({"k": kind, "w": workspace, "r": runs})

    def settle(self) -> None:
        """Note that notes were missed, as soon as there is room for it."""
        if self._missed:
            self._append({"k": "boot", "w": "", "r": []})

    def _append(self, note: dict[str, object]) -> None:
        """Append a note; one there is no room for is made up for, and harms no answer."""
        if self._missed:  # a reader that finds this reads everything again
            note = {"k": "boot", "w": "", "r": []}
        line = json.dumps(note, separators=(",", ":")).encode() + b"\n"
        try:
            # The start of a line that found no room is a damaged line: it is ended first.
            whole = os.write(self._file, b"\n" * self._torn + line) == len(line) + self._torn
            self._rotate()
        except OSError as error:
            if not self._missed:
                logger.warning("The change feed cannot be written (%s); it is made up for.", error)
            self._missed = True
            return
        self._missed = self._torn = not whole

    def _rotate(self) -> None:
        if os.fstat(self._file).st_size > _ROTATE_BYTES:
            before, number = self._file, self._number
            self._number += 1
            try:
                self._file = self._open()
            except OSError:
                self._number = number
                raise
            os.close(before)
            for old in _numbers(self._folder)[:-_FILES_KEPT]:
                _path(self._folder, old).unlink(missing_ok=True)


class FeedReader:
    """Reads notes from a position on; tolerates rotation and a line that is still being written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def end(self) -> Position:
        """Return the position after everything noted so far."""
        numbers = _numbers(self._folder)
        if not numbers:
            return Position()
        return Position(numbers[-1], _path(self._folder, numbers[-1]).stat().st_size)

    def since(self, position: Position) -> tuple[tuple[Note, ...], Position] | None:
        """Return what was noted after ``position`` and the new one; None when it is gone."""
        numbers = _numbers(self._folder)
        if position == Position():
            wanted = numbers
        elif position.number not in numbers:
            return None
        else:
            wanted = [number for number in numbers if number >= position.number]
        notes: list[Note] = []
        for number in wanted:
            offset = position.offset if number == position.number else 0
            path = _path(self._folder, number)
            size = path.stat().st_size
            if size < offset:
                return None
            if size > offset:
                found, offset = _tail(path, offset)
                notes += found
            position = Position(number, offset)
        return tuple(notes), position


def _tail(path: Path, offset: int) -> tuple[list[Note], int]:
    """Return the whole lines after ``offset`` and the offset after the last of them."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    notes = []
    for line in whole.splitlines():
        try:
            raw = json.loads(line)
            notes.append(Note(str(raw["w"]), str(raw["k"]), tuple(raw["r"])))
        except (ValueError, KeyError, TypeError):
            # A damaged line hides what changed, exactly as a lost feed does: read again.
            notes.append(Note("", "boot", ()))
    return notes, offset + len(whole)
