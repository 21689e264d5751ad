"""Whose a process is, as processes say of themselves in ``run/processes/<pid>.json``.

The client, the executor and the replicas write the files, whole and by rename; a process that was
killed leaves its file, which is cleared here. Nothing in that folder is taken on trust.
"""

import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import psutil

from services.engines.silicon.uses import Tag
from services.errors import InputError
from services.process_identity import Identity
from services.telemetry.documents import Node

FOLDER = "processes"
"""In ``MLOPS_HOME/run``."""

_NAME = re.compile(r"([1-9][0-9]{0,9})\.json")
_OWNER = re.compile(r"[a-z]+:\S+")
_TEXT_LIMIT = 200
_LIMIT_BYTES = 64 << 10
_SAME_MOMENT_S = 1.5
_MLX_FRESH_S = 120.0
"""What a process said of its MLX memory is not told on for longer."""

_UNFINISHED_S = 3600.0
"""A file of another name is what somebody was writing; so old, they were killed meanwhile."""

_CLEARING_S = 0.05
"""How long one look spends on clearing: thousands of old files must not hold up the samples."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one file says; ``fault`` is why it says nothing."""

    tag: Tag | None
    written_at: float
    fault: str = ""


class Presence:
    """The tagged processes of this machine. Used from one thread."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        """Name the folder; it may come later."""
        self._folder = folder
        self._now = now
        self._known: dict[str, tuple[tuple[int, int, int], _Said]] = {}
        self._stuck: set[str] = set()
        self._met: dict[str, str] = {}
        """The start of each process whose file was found to be its own."""
        self.problem = ""
        """A sentence about what could not be read; empty when all is well."""

    def tags(self) -> tuple[Tag, ...]:
        """Return the tag of each process that has one and lives; clear what dead ones left."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - every 2 s, of names alone
        except FileNotFoundError:
            names = []
        except OSError as error:
            self.problem = (
                f"{self._folder} cannot be read: {error.strerror}; no process has an owner."
            )
            return ()
        # In this order: who wrote a file that was listed and is not among the living is dead.
        living = set(psutil.pids())
        found: dict[str, _Said] = {}
        dead: list[str] = []
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None or int(match[1]) not in living:
                dead.append(name)
            elif (said := self._read(name, int(match[1]))) is not None:
                found[name] = said
        self._clear(dead)
        for gone in self._known.keys() - found.keys():
            del self._known[gone]
            self._met.pop(gone, None)
        tags = tuple(tag for name, said in found.items() if (tag := self._living(name, said)))
        faults = [f"{name}: {said.fault}" for name, said in found.items() if said.fault]
        self.problem = _sentence(self._folder, faults)
        return tags

    def _read(self, name: str, pid: int) -> _Said | None:
        """Return what a file says, read again only when it changed; None: it went away."""
        path = self._folder / name
        try:
            now = path.lstat()
        except OSError:
            return None
        seen = (now.st_mtime_ns, now.st_size, now.st_ino)
        before = self._known.get(name)
        if before and before[0] == seen:
            return before[1]
        try:
            said = _Said(_tag(_document(path), pid), now.st_mtime)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, InputError) as error:
            said = _Said(None, now.st_mtime, str(error).rstrip("."))
        self._known[name] = seen, said
        return said

    def _living(self, name: str, said: _Said) -> Tag | None:
        """Return the tag when the process is still the one that wrote the file; else clear it.

        It is when it has the start that the file names, or had when the file was met first. Without
        that it is when it began at the moment the file names. That moment shifts when the clock is
        set; so it is too when it was there before the file was last written: then no other process
        can have had its number at the writing.
        """
        if said.tag is None:
            return None
        now = Identity.of(said.tag.pid)
        if now is None:
            return None
        if said.tag.start and now.start:
            same = said.tag.start == now.start
        else:
            known = bool(now.start) and self._met.get(name) == now.start
            shift = abs(now.created - said.tag.started_at)
            same = known or shift <= _SAME_MOMENT_S or said.written_at >= now.created
        if not same:
            self._clear([name])
            return None
        self._met[name] = now.start
        if self._now() - said.written_at > _MLX_FRESH_S:
            tag = said.tag
            return Tag(tag.pid, now.created, tag.owner, tag.project, start=now.start)
        return replace(said.tag, started_at=now.created, start=now.start)

    def _clear(self, names: list[str]) -> None:
        until = time.monotonic() + _CLEARING_S
        for name in names:
            if name in self._stuck:
                continue
            if time.monotonic() > until:
                return
            path = self._folder / name
            try:
                if _NAME.fullmatch(name) or self._is_old(path):
                    path.unlink()
            except FileNotFoundError:
                pass
            except OSError:  # a folder, or not ours: it is left, and not tried every 2 s
                self._stuck.add(name)

    def _is_old(self, path: Path) -> bool:
        return self._now() - path.lstat().st_mtime > _UNFINISHED_S


def _document(path: Path) -> Node:
    """Return what a file holds.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is no file, too large, or no JSON; the words say which.
    """
    # A pipe would wait for its writer, a link could lead anywhere.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no file")
        data = file.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise ValueError("it is too large")
    return Node(orjson.loads(data), "")


def _tag(said: Node, pid: int) -> Tag:
    """Return the tag a document describes.

    Raises:
        FieldError: A field is missing or wrong.
    """
    if said["pid"].whole() != pid:
        raise said["pid"].wrong("is not the one in the file's name")
    owner = said["owner"].text(_TEXT_LIMIT, pattern=_OWNER)
    project = said["project"].text(_TEXT_LIMIT)
    mlx = said["mlx"] if said["mlx"].value is not None else Node({}, "mlx")
    return Tag(
        pid,
        said["started_at"].number(),
        owner,
        project,
        mlx["active_bytes"].optional_whole(),
        mlx["peak_bytes"].optional_whole(),
        mlx["cache_bytes"].optional_whole(),
        start=said["start"].text(_TEXT_LIMIT),
    )


def _sentence(folder: Path, faults: list[str]) -> str:
    if not faults:
        return ""
    count = "One file" if len(faults) == 1 else f"{len(faults)} files"
    return (
        f"{count} in {folder} cannot be used ({faults[0]}): whose these processes are is unknown."
    )
