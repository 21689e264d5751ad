"""What the platform decided, as Airflow reads it: ``MLOPS_HOME/airflow/weights.json``.

The file is written whole by rename, so it is read whole or not at all; it is read again when it
changed. Whatever is wrong with it raises nothing: the scheduler must not stop for it.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FRESH_S = 60.0
"""The controller writes every few seconds; a file that is older was left by one that ended."""
WEIGHT_OF_LAST = 1_000
"""Of the last in the line; a task that has no place there has the contract's priority on top."""
LARGEST = 2**31 - 1
"""Airflow's column takes no more."""


@dataclass(frozen=True)
class Told:
    """What was decided last."""

    weights: Mapping[str, int] = field(default_factory=dict)
    """By ``DAG/RUN/TASK``."""
    released: Mapping[str, str] = field(default_factory=dict)
    """Machine by the same."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Why, as a sentence, by the same."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Why, as a sentence, by the same: of those that run and are to pause."""
    written_at: float | None = None
    """Seconds since 1970; None: nothing was ever decided."""


@dataclass(frozen=True)
class Verdict:
    """Whether a task may start now."""

    may_start: bool
    said: str
    host: str = ""
    """The machine it was given room on; empty: any."""
    seen: bool = True
    """Whether it was decided on at all."""


def path_here() -> Path:
    """Return where the file of this installation is."""
    home = os.environ.get("MLOPS_HOME")
    return Path(home or ".mlops").expanduser() / "airflow" / "weights.json"


def key(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """Return the name of a task in the file."""
    mapped = f"[{map_index}]" if map_index >= 0 else ""
    return f"{dag_id}/{run_id}/{task_id}{mapped}"


class ToldFile:
    """The file; it is read when it is not the one that was read last."""

    def __init__(
        self,
        path: Path | None = None,
        now: Callable[[], float] = time.time,
        awake: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            path: The file; None: that of this installation, looked up at each reading.
            now: Seconds since 1970.
            awake: Seconds that this machine was awake.
        """
        self._path = path
        self._now = now
        self._awake = awake
        self._looked_at = 0.0
        """When what it holds was first seen, by ``awake``."""
        self._changed = False
        """Whether it was new then; of what the first look found nobody knows."""
        self._seen: tuple[str, int, int, int] | None = None
        self._told = Told()

    def read(self) -> Told:
        """Return what was decided last; empty without a file, the last good one of a broken one."""
        path = self._path or path_here()
        try:
            state = path.stat()
            seen = (str(path), state.st_mtime_ns, state.st_size, state.st_ino)
            if seen == self._seen:
                return self._told
            self._looked_at, self._changed = self._awake(), self._seen is not None
            self._seen = seen  # before it is read: a broken one is complained of once
            self._told = _parsed(json.loads(path.read_bytes()), state.st_mtime)
        except FileNotFoundError:
            self._seen, self._told = None, Told()
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.warning("%s cannot be read (%s): the weights of before stay.", path, error)
        return self._told

    def weight(self, names: tuple[str, ...], priority: int) -> int:
        """Return a task's weight: of the first of its names that has one, else by its priority."""
        weights = self.read().weights
        found = next((weights[name] for name in names if name in weights), None)
        weight = WEIGHT_OF_LAST + priority if found is None else found
        return max(-LARGEST, min(LARGEST, weight))

    def verdict(self, name: str) -> Verdict:
        """Return whether a task may start; without fresh decisions Airflow's own order holds.

        Args:
            name: See ``key``.
        """
        told = self.read()
        if told.written_at is None:
            said = "Nothing was decided yet: Airflow's own pools and order hold."
            return Verdict(may_start=True, said=said)
        age_s = self._age_s(told.written_at)
        if age_s > FRESH_S:
            said = f"Nothing was decided for {age_s:.0f} s: Airflow's own pools and order hold."
            return Verdict(may_start=True, said=said)
        if name in told.released:
            return Verdict(may_start=True, said="It was given room.", host=told.released[name])
        why = told.held.get(name)
        said = "It has not been looked at yet." if why is None else why
        return Verdict(may_start=False, said=said, seen=why is not None)

    def pause(self, name: str) -> str:
        """Return why a task that runs is to pause, empty when it is not.

        When nothing was decided for a while nobody watches over what is paused: it goes on.
        """
        told = self.read()
        if told.written_at is None or self._age_s(told.written_at) > FRESH_S:
            return ""
        return told.paused.get(name, "")

    def _age_s(self, written_at: float) -> float:
        """Return for how long nothing was decided.

        A clock that was set and a machine that slept make no decision old: on waking all that is
        held would start at once. Nor do they keep one new: after a clock was set back the file's
        time says nothing for hours.
        """
        by_clock, awake = self._now() - written_at, self._awake() - self._looked_at
        if by_clock < 0:
            return awake
        return min(by_clock, awake) if self._changed else by_clock


def _parsed(document: Any, written_at: float) -> Told:
    weights = {
        str(name): int(value)
        for name, value in document.get("weights", {}).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    return Told(
        weights,
        {str(name): str(host) for name, host in document.get("released", {}).items()},
        {str(name): str(said) for name, said in document.get("held", {}).items()},
        {str(name): str(said) for name, said in document.get("pause", {}).items()},
        written_at,
    )
