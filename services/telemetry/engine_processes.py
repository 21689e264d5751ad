"""Which processes are the engines', from what the supervisor wrote in ``run/state.json``."""

import contextlib
import json
from collections.abc import Container, Iterator
from pathlib import Path

import psutil

from services.engines.silicon.uses import Tag
from services.process_identity import Identity

_Recorded = tuple[str, Identity]
"""Engine, and a process of it."""


class EngineProcesses:
    """The engines' processes, as last recorded. Used from one thread.

    The file is the supervisor's (``services.platform.state``), which stands above this package and
    cannot be imported; a test holds the two together.
    """

    def __init__(self, state: Path) -> None:
        """Name the file; it may come later."""
        self._state = state
        self._seen: tuple[int, int, int] | None = None
        self._recorded: frozenset[_Recorded] = frozenset()
        self._owned: frozenset[int] = frozenset()
        self._tags: tuple[Tag, ...] = ()

    def tags(self, owned: Container[int]) -> tuple[Tag, ...]:
        """Return a tag for each engine's process that none of its own processes started.

        What these started is told by descent, so that a training run which an engine started is the
        run's, and so are its children, although the supervisor records them as the engine's.

        Args:
            owned: Processes that say themselves whose they are.
        """
        recorded = self._read()
        pids = {one.pid for _, one in recorded}
        taken = frozenset(pid for pid in pids if pid in owned)
        if recorded != self._recorded or taken != self._owned:
            self._recorded, self._owned = recorded, taken
            self._tags = tuple(_roots(recorded, pids, taken))
        return self._tags

    def _read(self) -> frozenset[_Recorded]:
        try:
            now = self._state.stat()
            seen = (now.st_mtime_ns, now.st_size, now.st_ino)
            if seen == self._seen:
                return self._recorded
            document = json.loads(self._state.read_bytes())
        except (OSError, ValueError):
            # The supervisor stopped, or its file was damaged: `mlops status` says so.
            self._seen = None
            return frozenset()
        self._seen = seen
        return frozenset(_listed(document))


def _listed(document: object) -> Iterator[_Recorded]:
    engines = document.get("engines") if isinstance(document, dict) else None
    for engine in engines if isinstance(engines, list) else ():
        if not isinstance(engine, dict) or not isinstance(engine.get("name"), str):
            continue
        members = engine.get("members")
        for one in [engine.get("leader"), *(members if isinstance(members, list) else ())]:
            if (process := Identity.noted(one)) is not None:
                yield engine["name"], process


def _roots(recorded: frozenset[_Recorded], pids: set[int], owned: frozenset[int]) -> Iterator[Tag]:
    for name, one in sorted(recorded, key=lambda each: (each[0], each[1].pid, each[1].created)):
        if one.pid in owned:
            continue
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(one.pid)
            if one.is_of(process) and process.ppid() not in pids:
                yield Tag(one.pid, process.create_time(), f"engine:{name}", start=one.start)
