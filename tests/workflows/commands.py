"""Commands that end in every way, run as tasks run them."""

import sys
from pathlib import Path
from typing import Any

from mlops_workflows.order import Order
from mlops_workflows.place import Place
from mlops_workflows.starting import Watched

GRACE_S = 0.5


def order(home: Path, code: str, *, attempt: int = 1, **more: Any) -> Order:
    """Return the order of a Python program in a project's folder."""
    folder = home / "project"
    folder.mkdir(exist_ok=True)
    place = Place("toy.train", "manual__2026-01-01T00:00:00+00:00", "train", attempt)
    given: dict[str, Any] = {
        "place": place,
        "evidence": home / "evidence",
        "command": (sys.executable, "-c", code),
        "folder": folder,
        "project": "toy",
        "data": ("data/",),
        "grace_s": GRACE_S,
    }
    return Order(**given | more)


def done(home: Path, code: str, **more: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a program to its end; return its evidence and what it said."""
    said: list[str] = []
    return Watched(order(home, code, **more)).follow(said.append), said
