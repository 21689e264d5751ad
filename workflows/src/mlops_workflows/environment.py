"""What the processes of a command find in their environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from mlops_workflows.order import Order
from mlops_workflows.pausing import VARIABLE as PAUSE

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "SSL_CERT_FILE")
_SECRET = ("TOKEN", "PASSWORD", "SECRET", "API_KEY")
_SHORTEST_SECRET = 8


def variables(
    order: Order, run_file: Path, answer_file: Path, pause_folder: Path
) -> dict[str, str]:
    """Return the environment of a command: nothing of Airflow's or of ours reaches a project.

    It gets a few variables that every program needs, its own environment file, and what the order
    names; settings of the platform (``MLOPS_…``) only where the order asks for them.
    """
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    found |= {k: v for k, v in os.environ.items() if k.startswith(order.inherited or ("\0",))}
    if order.env_file is not None:
        found |= env_file(order.env_file)
    if order.environment is not None:
        found["VIRTUAL_ENV"] = str(order.environment)
        found["PATH"] = f"{order.environment / 'bin'}{os.pathsep}{found.get('PATH', '')}"
    found |= order.variables
    found |= {"MLOPS_TASK": order.place.job, "MLOPS_RUN_FILE": str(run_file)}
    found |= {"PYTHONUNBUFFERED": "1"}
    if order.told is not None:
        found[PAUSE] = str(pause_folder)
    if order.answers:
        found["MLOPS_ANSWER"] = str(answer_file)
    return found


def env_file(path: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file, empty when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that must not stand in a log."""
    return tuple(
        value
        for name, value in environment.items()
        if any(word in name.upper() for word in _SECRET) and len(value) >= _SHORTEST_SECRET
    )


def command(order: Order) -> list[str]:
    """Return the command, a plain ``python`` being that of its environment."""
    words = list(order.command)
    if order.environment is not None and words and words[0] in {"python", "python3"}:
        words[0] = str(order.environment / "bin" / "python")
    return words
