"""The command edge: programs that are run and asked; what goes wrong becomes our errors."""

import subprocess
from collections.abc import Callable, Sequence

from services.errors import EngineMissingError, EngineRefusedError, EngineUnreachableError

Run = Callable[[Sequence[str], float], bytes]
"""Runs a program: its arguments and a time-out in seconds, to what it printed."""


def run(arguments: Sequence[str], timeout_s: float) -> bytes:
    """Return what a program printed.

    Raises:
        EngineMissingError: There is no such program.
        EngineUnreachableError: It did not end in time.
        EngineRefusedError: It ended with another code than 0.
    """
    name = arguments[0]
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise EngineMissingError(f"The program {name} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise EngineUnreachableError(f"{name} did not answer within {timeout_s:g} s.") from error
    except OSError as error:
        raise EngineMissingError(f"{name} cannot be run ({error.strerror or error}).") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        reason = said[-1][:200] if said else "it said nothing"
        raise EngineRefusedError(f"{name} ended with {done.returncode}: {reason}")
    return done.stdout
