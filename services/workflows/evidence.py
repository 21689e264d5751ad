"""What a task's runner measured, from the file it writes (``mlops_workflows.evidence``)."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from services.mirror.workflow_models import TaskRun

_LARGE = ("last_lines", "packages", "lines")
"""Left in the file: nobody lists them."""


def path_of(folder: Path, task: TaskRun) -> Path:
    """Return the file of a task's newest try."""
    name = f"{_name(task.label)}.{max(1, task.tries)}.json"
    return folder / _name(task.dag_id) / _name(task.run_id) / name


def whole(folder: Path, task: TaskRun) -> dict[str, Any]:
    """Return the evidence of a task's newest try, empty when there is none that can be read."""
    try:
        found = orjson.loads(path_of(folder, task).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read(folder: Path, task: TaskRun) -> dict[str, Any]:
    """Return what is mirrored of it: all but what is large."""
    return {name: value for name, value in whole(folder, task).items() if name not in _LARGE}


def _name(text: str) -> str:
    name = quote(text, safe=":+~@[]")
    return name if name.strip(".") else name.replace(".", "%2E")
