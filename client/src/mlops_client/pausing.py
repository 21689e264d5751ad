"""Saving a training's state when the platform asks for it: before its machine is let to cool.

    for step in range(start, steps):
        train(step)
        if mlops_client.checkpoint_requested():
            save(state)
            mlops_client.checkpoint_saved("models/checkpoint")

A job that asks has 30 seconds to save before it is stopped where it is; later it goes on from there
in the same process. One that does not ask is stopped at once. Outside the platform nobody asks.
"""

import contextlib
import json
import os
from functools import lru_cache
from pathlib import Path

VARIABLE = "MLOPS_PAUSE"
"""The folder in which whoever watches this process puts its request."""
_LISTENING, _REQUEST, _SAVED = "listening", "request.json", "saved.json"


def checkpoint_requested() -> bool:
    """Return whether the state should be saved now; it costs microseconds, so ask every step.

    The first question tells the platform that this job can be asked.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return False
    _listen(folder)
    wanted = _number(Path(folder) / _REQUEST)
    return wanted is not None and wanted != _number(Path(folder) / _SAVED)


def checkpoint_saved(where: str | Path | None = None) -> None:
    """Say that the state is saved, and where; the job may be stopped from now on."""
    folder = os.environ.get(VARIABLE)
    wanted = _number(Path(folder) / _REQUEST) if folder else None
    if folder is None or wanted is None:
        return
    said = {"number": wanted, "where": None if where is None else str(where)}
    new = Path(folder) / f".saved.{os.getpid()}"
    with contextlib.suppress(OSError):  # then it is waited for a while, and stopped all the same
        new.write_text(json.dumps(said), encoding="utf-8")
        new.replace(Path(folder) / _SAVED)


@lru_cache(maxsize=1)
def _listen(folder: str) -> None:
    with contextlib.suppress(OSError):
        (Path(folder) / _LISTENING).touch()


def _number(file: Path) -> int | None:
    try:
        said = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    number = said.get("number") if isinstance(said, dict) else None
    return number if isinstance(number, int) else None
