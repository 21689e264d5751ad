"""Running a project's entry points: its own environment, a fresh process, its own log."""

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.errors import PlatformError
from services.home import Home
from services.projects import environment
from services.projects.contract import require
from services.projects.onboarding import read_env_file

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "SSL_CERT_FILE")
_LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Training:
    """A training that ended."""

    project: str
    seconds: float
    run_ids: tuple[str, ...]
    log: Path


def train(
    path: Path,
    home: Home,
    arguments: Sequence[str] = (),
    *,
    timeout_s: float = 3600.0,
    report: environment.Report = lambda _line: None,
) -> Training:
    """Run a project's ``train`` command and return the runs it made.

    Raises:
        InputError: The folder is no project.
        PlatformError: Its environment could not be built, or the command failed.
    """
    contract = require(path)
    python = environment.prepare(path, home, report)
    report("training")
    command = [*shlex.split(contract.train), *arguments]
    log = home.logs / f"train-{contract.id}.log"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "runs.jsonl"
        started = time.monotonic()
        code = _run(command, path, python, log, made, timeout_s)
        seconds = time.monotonic() - started
        run_ids = _run_ids(made)
    if code:
        raise PlatformError(
            f"{contract.title} failed: {contract.train!r} ended with {code}.\n{_tail(log)}",
            f"The whole log is {log}.",
        )
    return Training(contract.id, seconds, run_ids, log)


def _run(
    command: list[str], path: Path, python: Path, log: Path, made: Path, timeout_s: float
) -> int:
    variables = {name: os.environ[name] for name in _KEPT if name in os.environ}
    variables |= read_env_file(path)
    variables["VIRTUAL_ENV"] = str(python.parent.parent)
    variables["PATH"] = f"{python.parent}{os.pathsep}{variables.get('PATH', '')}"
    variables["MLOPS_RUN_FILE"] = str(made)
    variables["PYTHONUNBUFFERED"] = "1"
    if command[0] in {"python", "python3"}:
        command = [str(python), *command[1:]]
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command,
                cwd=path,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PlatformError(
                f"{path.name} trained longer than {timeout_s:.0f} s and was ended.",
                f"The whole log is {log}.",
            ) from error
        except OSError as error:
            raise PlatformError(f"{command[0]} could not be started: {error}.") from error
    return done.returncode


def _run_ids(made: Path) -> tuple[str, ...]:
    if not made.exists():
        return ()
    return tuple(json.loads(line)["run_id"] for line in made.read_text().splitlines())


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:])
