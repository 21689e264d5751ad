"""The change feed between our MLflow server and the mirror: an append-only file of JSON lines.

A file and not a call: an idle cycle of the reader is one ``stat``, a restart of either side loses
nothing, and the writer never waits for a reader.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

_ROTATE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Note:
    """One write the server answered: which workspace, what kind, which runs."""

    workspace: str
    kind: str
    """run, registry, workspace, other; or boot when the server started."""
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: the file (inode) and the offset in bytes."""

    inode: int = 0
    offset: int = 0


class FeedWriter:
    """Appends notes; one line is one ``write``, so several processes may share the file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "feed.log"
        self._old = folder / "feed.log.1"
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def boot(self, at: float) -> None:
        """Note that the server starts: a reader cannot know what the last one did not note."""
        self._append({"k": "boot", "w": "", "r": [], "t": round(at, 3)})

    def note(self, workspace: str, kind: str, runs: list[str]) -> None:
        """Note one write."""
        self._append({"k": kind, "w": workspace, "r": runs})

    def _append(self, note: dict[str, object]) -> None:
        os.write(self._file, json.dumps(note, separators=(",", ":")).encode() + b"\n")
        if os.fstat(self._file).st_size > _ROTATE_BYTES:
            self._path.replace(self._old)
            os.close(self._file)
            self._file = self._open()


class FeedReader:
    """Reads notes from a position on; tolerates rotation and a line that is still being written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "feed.log"
        self._old = folder / "feed.log.1"

    def end(self) -> Position:
        """Return the position after everything noted so far."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return Position()
        return Position(status.st_ino, status.st_size)

    def since(self, position: Position) -> tuple[tuple[Note, ...], Position] | None:
        """Return what was noted after ``position`` and the new one; None when it is gone."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return ((), position) if position == Position() else None
        if now.st_ino == position.inode:
            if now.st_size == position.offset:
                return (), position
            return (
                self._tail(self._path, now.st_ino, position.offset)
                if (now.st_size > position.offset)
                else None
            )
        if position == Position():
            return self._tail(self._path, now.st_ino, 0)
        return self._across_rotation(position, now.st_ino)

    def _across_rotation(
        self, position: Position, inode: int
    ) -> tuple[tuple[Note, ...], Position] | None:
        if not self._old.exists() or self._old.stat().st_ino != position.inode:
            return None
        before, _ = self._tail(self._old, position.inode, position.offset)
        after, end = self._tail(self._path, inode, 0)
        return before + after, end

    @staticmethod
    def _tail(path: Path, inode: int, offset: int) -> tuple[tuple[Note, ...], Position]:
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
        return tuple(notes), Position(inode, offset + len(whole))
