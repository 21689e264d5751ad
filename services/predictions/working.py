"""When the prediction log is put into Parquet: what the engine does, turn by turn."""

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO

import orjson

from services.home import Home
from services.predictions.folder import Folder
from services.predictions.segments import abandoned

logger = logging.getLogger(__name__)

DAYS = 90.0
INTERVAL_S = 2.0
_POLL_S = 0.25
_SOON_S = 12.0
"""After a merge, to remove what was merged."""
_NOW_AND_THEN_S = 600.0
_HANGS_S = 1800.0
_DETAIL = 400


class Working:
    """Starts the compactor when there is something to do."""

    def __init__(self, home: Home, days: float) -> None:
        self._home = home
        self._days = days
        self._folder = Folder(home)
        self._due = 0.0
        self._all_due = 0.0
        self._predictions = 0
        self._segments = 0
        self._trouble = ""

    @property
    def said(self) -> str:
        """Return how it goes, for the supervisor."""
        well = (
            f"{self._predictions:,} predictions of {self._segments:,} segments put into Parquet; "
            f"{len(self._folder.segments())} segments open"
        )
        return self._trouble or well

    def turn(self, beat: Callable[[], None], ended: threading.Event) -> None:
        """Do what there is to do; say ``beat`` meanwhile, stop when it is ended."""
        beat()
        if time.monotonic() < self._due and (self._trouble or not self._left()):
            return
        everything = time.monotonic() >= self._all_due
        if everything:
            self._all_due = time.monotonic() + _NOW_AND_THEN_S
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = self._run(everything, out, err, beat, ended)
            if not ended.is_set():
                self._note(code, _text(out), _text(err))
        beat()

    def _left(self) -> bool:
        """Return whether there is a segment that nobody writes."""
        for path in self._folder.segments():
            with contextlib.suppress(OSError):
                handle = abandoned(path)
                if handle is not None:
                    os.close(handle)
                    return True
        return False

    def _run(
        self,
        everything: bool,  # noqa: FBT001
        out: IO[bytes],
        err: IO[bytes],
        beat: Callable[[], None],
        ended: threading.Event,
    ) -> int:
        asked = {"home": str(self._home.root), "days": self._days, "all_labels": everything}
        command = (sys.executable, "-m", "services.predictions.compaction")
        began = time.monotonic()
        with subprocess.Popen(
            [*command, orjson.dumps(asked).decode()], stdout=out, stderr=err,
            stdin=subprocess.DEVNULL,
        ) as child:  # fmt: skip
            while child.poll() is None:
                if ended.wait(_POLL_S) or time.monotonic() - began > _HANGS_S:
                    child.kill()  # it may be, at any point
                beat()
            return child.returncode

    def _note(self, code: int, out: str, err: str) -> None:
        if code:
            trouble = err.strip().splitlines()[-1:] or [f"The compactor ended with {code}."]
            if trouble[0][:_DETAIL] != self._trouble:
                logger.warning("%s", err.strip() or trouble[0])
            self._trouble = trouble[0][:_DETAIL]
            self._due = time.monotonic() + _SOON_S
            return
        if err.strip():
            logger.warning("%s", err.strip())
        done = orjson.loads(out)
        self._trouble = ""
        self._predictions += done["predictions"]
        self._segments += done["segments"]
        self._due = time.monotonic() + (_SOON_S if done["merged"] else _NOW_AND_THEN_S)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
