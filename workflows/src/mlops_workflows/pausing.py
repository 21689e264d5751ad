"""A command pauses when the controller asks for it, and goes on when it does so no longer.

A machine that is too hot, short of memory or nearly out of battery is relieved by stopping the
whole process group where it is (SIGSTOP): it keeps its memory and loses nothing. A project that
asks ``mlops_client.checkpoint_requested()`` is told first and has 30 seconds to save its state, so
that nothing is lost even if the machine goes down.

They talk through a folder that ``MLOPS_PAUSE`` names: ``listening`` is there when the project asks,
``request.json`` when it is to save, ``saved.json`` when it did. A signal would not do: whoever does
not know SIGUSR1 is ended by it.
"""

import contextlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_workflows.files import read_object, write_whole
from mlops_workflows.group import Group
from mlops_workflows.lines import Lines
from mlops_workflows.told import ToldFile

VARIABLE = "MLOPS_PAUSE"
LISTENING, REQUEST, SAVED = "listening", "request.json", "saved.json"
SAVE_S = 30.0
"""So long a project has to save its state before it is stopped."""
UNCOUNTED_S = 6 * 3600.0
"""So much of the time it was stopped does not count against its timeout: Airflow's own limit, which
comes later, cannot know of pauses."""
_LOOK_S = 1.0


@dataclass(slots=True)
class Pauses:
    """The pauses of one command."""

    group: Group
    lines: Lines
    told: ToldFile | None
    job: str
    """Its name in the controller's file: ``DAG/RUN/TASK``."""
    folder: Path
    """Where it and the command talk."""
    save_s: float = SAVE_S
    done: list[dict[str, Any]] = field(default_factory=list)
    """``from``, ``to`` (None: it lasts), ``why``, ``saved`` (None: it does not say)."""
    _looked: float = float("-inf")
    _asked: float | None = None
    _stopped: float | None = None
    _ended_s: float = 0.0
    _number: int = 0

    @property
    def seconds(self) -> float:
        """Return how long it was stopped in all."""
        lasts = 0.0 if self._stopped is None else time.monotonic() - self._stopped
        return self._ended_s + lasts

    @property
    def uncounted_s(self) -> float:
        """Return what does not count against the timeout."""
        return min(self.seconds, UNCOUNTED_S)

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped now."""
        return self._stopped is not None

    def look(self) -> bool:
        """Look whether it is to pause or to go on; return whether that has changed something."""
        now = time.monotonic()
        if self.told is None or now - self._looked < _LOOK_S:
            return False
        self._looked = now
        why = self.told.pause(self.job)
        if self._stopped is not None:
            return not why and self._go_on()
        if not why:
            return self._withdraw()
        if self._asked is None:
            self._ask(why, now)
        if self._may_stop(now):
            self._stop(why)
            return True
        return False

    def end(self) -> None:
        """Note that the command ended, or is about to be ended: what is stopped is woken for it."""
        if self._stopped is not None:
            self._close()
        self._withdraw()

    def _ask(self, why: str, now: float) -> None:
        self._asked = now
        self._number += 1
        with contextlib.suppress(OSError):  # a full disk: it is stopped without being asked
            write_whole(self.folder / REQUEST, {"number": self._number, "why": why})
        if (self.folder / LISTENING).exists():
            self.lines.add(f"It is asked to save its state and pause. {why}")

    def _may_stop(self, now: float) -> bool:
        if not (self.folder / LISTENING).exists() or self._saved() is not None:
            return True
        return self._asked is not None and now - self._asked >= self.save_s

    def _saved(self) -> dict[str, Any] | None:
        said = read_object(self.folder / SAVED)
        return said if said is not None and said.get("number") == self._number else None

    def _stop(self, why: str) -> None:
        listens, saved = (self.folder / LISTENING).exists(), self._saved()
        self.group.halt()
        self._stopped = time.monotonic()
        record = {"from": _now(), "to": None, "why": why, "saved": None if not listens else False}
        if saved is not None:
            record["saved"] = True
            record["where"] = str(saved["where"]) if saved.get("where") else None
        self.done.append(record)
        self.lines.add(f"It is paused. {why} {_said(record, self.save_s)}".rstrip())

    def _go_on(self) -> bool:
        seconds = self._close()
        self._withdraw()
        self.group.go_on()
        self.lines.add(f"It goes on after {seconds:.0f} s.")
        return True

    def _close(self) -> float:
        assert self._stopped is not None  # noqa: S101 - the callers asked
        seconds = time.monotonic() - self._stopped
        self._ended_s += seconds
        self._stopped = None
        self.done[-1]["to"] = _now()
        return seconds

    def _withdraw(self) -> bool:
        self._asked = None
        with contextlib.suppress(OSError):
            (self.folder / REQUEST).unlink(missing_ok=True)
        return False


def _said(record: dict[str, Any], save_s: float) -> str:
    if record["saved"]:
        where = record["where"]
        return f"Its state is saved{f' ({json.dumps(where)})' if where else ''}."
    if record["saved"] is False:
        return f"It did not save its state within {save_s:.0f} s."
    return "Its memory is kept."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
