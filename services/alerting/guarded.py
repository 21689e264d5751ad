"""Asks a process of its own to send something to an address that people gave.

There the guard over addresses holds (``services.alerting.addresses``), which cannot be taken out of
a process again, and a service that hangs can be ended.
"""

import os
import subprocess
import sys
from pathlib import Path

from services.errors import EngineUnreachableError

_KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")
"""Of the environment; neither proxies, which would see no guard, nor secrets."""
_ROOT = Path(__file__).resolve().parents[2]


def ask(
    module: str, said: bytes, timeout_s: float, late: EngineUnreachableError
) -> "subprocess.CompletedProcess[bytes]":
    """Run a module and return what came of it.

    Args:
        module: Its name, as ``python -m`` takes it.
        said: On its input: an address may hold a secret, and arguments can be seen by others.
        timeout_s: After which it is ended.
        late: Raised then.

    Raises:
        EngineUnreachableError: It was too late, or could not be started.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(_ROOT), environment.get("PYTHONPATH", "")) if part
    )
    try:
        return subprocess.run(
            [sys.executable, "-P", "-m", module], input=said, capture_output=True,
            timeout=timeout_s, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise late from error
    except OSError as error:
        raise EngineUnreachableError(
            f"No process to send with could be started: {error.strerror or error}.",
            "See that memory and processes are left on this machine.",
        ) from error


def last_words(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Return the last line that it said of itself."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
