"""Whose processes are whose: what the client, the workers and the supervisor leave in files.

A process that belongs to a run, a task or a replica writes ``MLOPS_HOME/run/processes/<pid>.json``:
``{"pid", "started_at", "owner", "project", "mlx": {"active_bytes", "peak_bytes", "cache_bytes"}}``,
and takes it away at its end. Engines stand in the supervisor's ``state.json``.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from services.engines.silicon.uses import Tag

logger = logging.getLogger(__name__)

_LARGEST_BYTES = 64 << 10
_MOST = 2_000
_SAME_START_S = 1.0


class Presence:
    """Reads the files again only when they changed; those of ended processes are taken away."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "processes"
        self._engines = run / "state.json"
        self._read: dict[Path, tuple[int, Tag | None]] = {}
        self._engine_tags: tuple[int, tuple[Tag, ...]] = (-1, ())

    def tags(self) -> tuple[Tag, ...]:
        """Return the tags of the processes that live; what cannot be read is left out."""
        return (*self._presences(), *self._of_engines())

    def _presences(self) -> Iterator[Tag]:
        try:
            paths = sorted(self._folder.glob("*.json"))[:_MOST]
        except OSError:
            return
        for gone in self._read.keys() - set(paths):
            del self._read[gone]
        for path in paths:
            tag = self._one(path)
            if tag is None:
                continue
            if _lives(tag):
                yield tag
            else:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _one(self, path: Path) -> Tag | None:
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            return None
        before = self._read.get(path)
        if before is not None and before[0] == changed:
            return before[1]
        tag = None
        try:
            with path.open("rb") as file:
                tag = _tag(json.loads(file.read(_LARGEST_BYTES)))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            logger.warning("%s says nothing that can be read (%s).", path, error)
        self._read[path] = (changed, tag)
        return tag

    def _of_engines(self) -> tuple[Tag, ...]:
        try:
            changed = self._engines.stat().st_mtime_ns
            if changed != self._engine_tags[0]:
                self._engine_tags = (changed, _engines(json.loads(self._engines.read_bytes())))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return ()
        return self._engine_tags[1]


def _tag(said: object) -> Tag:
    if not isinstance(said, dict):
        raise TypeError("not an object")
    mlx = said.get("mlx") or {}
    owner, project = said["owner"], said.get("project") or ""
    if not isinstance(owner, str) or not isinstance(project, str) or not owner:
        raise TypeError("owner and project are text")
    sizes = {f"mlx_{k}": _size(mlx.get(k)) for k in ("active_bytes", "peak_bytes", "cache_bytes")}
    return Tag(int(said["pid"]), float(said["started_at"]), owner[:200], project[:64], **sizes)


def _size(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value >= 0 else None


def _engines(state: dict[str, Any]) -> tuple[Tag, ...]:
    return tuple(
        Tag(int(member["pid"]), float(member["created"]), f"engine:{engine['name']}")
        for engine in state["engines"]
        for member in engine.get("members") or ()
    )


def _lives(tag: Tag) -> bool:
    try:
        return abs(psutil.Process(tag.pid).create_time() - tag.started_at) < _SAME_START_S
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # somebody else's: it lives, more is not for us to see
