"""Asking the platform to record what is in a project's folder: a program, in its own environment.

``MLOPS_TRACK`` of the project's environment file is the begin of its command line, a JSON list.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

VARIABLE = "MLOPS_TRACK"
Kind = Literal["data", "models"]

_PATIENCE_S = 2.0
"""From here on a person is told what the program waits for."""
_LIMIT_S = 3600.0
"""Terabytes are recorded beforehand, with ``mlops data add``."""
_LIMIT = "MLOPS_TRACK_TIMEOUT_S"
_NOT_ITS = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", VARIABLE}
)
"""Of the project's Python; the platform's would load the project's packages."""


class NotRecordedError(Exception):
    """It was not recorded; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the services know of a project's data or models."""

    revision: str | None
    """None: there is no file to record."""
    fingerprint: str
    reason: str = ""
    """What is worth knowing, as sentences."""


def is_on() -> bool:
    """Return whether this project's files are recorded."""
    return bool(os.environ.get(VARIABLE))


def known(root: Path, kind: Kind) -> Recorded | None:
    """Return what was recorded last, None when nothing was or that cannot be read."""
    try:
        return _recorded(json.loads(noted_in(root, kind).read_bytes()))
    except (OSError, ValueError):
        return None


def noted_in(root: Path, kind: Kind) -> Path:
    """Return the file in which the services write what they recorded last."""
    return root / ".mlops" / "versions" / f"{kind}.json"


def track(root: Path, kind: Kind, say: Callable[[], None]) -> Recorded:
    """Record what is there now; ``say`` is called when it takes long.

    Raises:
        NotRecordedError: It was refused, failed, or took too long.
    """
    try:
        return _recorded(_answer(["track", str(root), kind, "--json"], say))
    except ValueError as error:
        raise NotRecordedError(f"The command of {VARIABLE} answered with {error}.") from error


def release(root: Path, kind: Kind, say: Callable[[], None]) -> None:
    """Make recorded files writable again.

    Raises:
        NotRecordedError: It was refused, failed, or took too long.
    """
    _answer(["release", str(root), kind, "--json"], say)


def _recorded(said: object) -> Recorded:
    """Return what a document says.

    Raises:
        ValueError: A field is missing or of another type.
    """
    if not isinstance(said, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - of a file, not of a programmer
    revision, fingerprint = said.get("revision"), said.get("fingerprint")
    if not (revision is None or isinstance(revision, str)) or not isinstance(fingerprint, str):
        raise ValueError("neither a revision nor a reason")
    reason = said.get("reason", "")
    return Recorded(revision or None, fingerprint, reason if isinstance(reason, str) else "")


def _answer(arguments: list[str], say: Callable[[], None]) -> Any:  # noqa: ANN401 - JSON
    command = _command()
    try:
        return _asked([*command, *arguments], say)
    except OSError as error:
        raise NotRecordedError(f"{error}. Check the room on the disk.") from error


def _asked(command: list[str], say: Callable[[], None]) -> Any:  # noqa: ANN401 - JSON
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _run(command, out, err, say)
        out.seek(0)
        err.seek(0)
        said = _document(out.read())
        if code == 0 and said is not None:
            return said
        raise NotRecordedError(_why(code, said, err.read()))


def _command() -> list[str]:
    try:
        found = json.loads(os.environ.get(VARIABLE, ""))
    except ValueError:
        found = None
    if isinstance(found, list) and found and all(isinstance(part, str) for part in found):
        return found
    raise NotRecordedError(f"{VARIABLE} is not a JSON list of strings; `mlops up` writes it.")


def _run(command: list[str], out: IO[bytes], err: IO[bytes], say: Callable[[], None]) -> int:
    """Run to the end; the output goes to files, which nobody can keep open for us to wait."""
    environment = {name: text for name, text in os.environ.items() if name not in _NOT_ITS}
    try:
        process = subprocess.Popen(
            command,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotRecordedError(
            f"The command of {VARIABLE} could not be started: {error}. `mlops up` renews it."
        ) from error
    try:
        return _wait(process, say)
    finally:  # also when the person interrupts: nothing goes on behind their back
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", say: Callable[[], None]) -> int:
    limit_s = _limit_s()
    try:
        return process.wait(min(_PATIENCE_S, limit_s))
    except subprocess.TimeoutExpired:
        say()
    try:
        return process.wait(max(limit_s - _PATIENCE_S, 0))
    except subprocess.TimeoutExpired:
        raise NotRecordedError(
            f"It was not done after {limit_s:.0f} s. `mlops data add` records it beforehand; "
            f"{_LIMIT} sets another limit."
        ) from None


def _limit_s() -> float:
    try:
        return max(float(os.environ.get(_LIMIT, _LIMIT_S)), 0.0)
    except ValueError:
        return _LIMIT_S


def _document(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return found if isinstance(found, dict) else None


def _why(code: int, said: dict[str, Any] | None, err: bytes) -> str:
    sentences = [said.get("reason"), said.get("hint")] if said and code else []
    told = " ".join(text for text in sentences if isinstance(text, str) and text)
    if told:
        return told
    last = (err.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    ended = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
    return f"The command of {VARIABLE} ended {ended}: {last[:300]}"
