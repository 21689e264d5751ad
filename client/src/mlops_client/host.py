"""Which machine this is, under the same id as its telemetry."""

import contextlib
import hashlib
import os
import re
import secrets
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

_ETC = Path("/etc/machine-id")
_IOREG = ("ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_TIMEOUT_S = 5.0
_NAME_LIMIT = 40


def host_id(name: str, machine_id: str) -> str:
    """Return the id of a machine: its short name for people, eight digits that make it unique.

    Args:
        name: The host name; what follows the first dot is left out.
        machine_id: What stays the same when the machine is renamed; see ``machine_id``.
    """
    short = re.sub(r"[^a-z0-9-]+", "-", name.split(".")[0].lower()).strip("-") or "host"
    digest = hashlib.sha256(machine_id.strip().encode()).hexdigest()
    return f"{short[:_NAME_LIMIT]}-{digest[:8]}"


def machine_id(home: Path | None, etc: Path = _ETC) -> str | None:
    """Return Linux's machine-id, macOS's platform UUID, else a random one kept in the home folder.

    None: there is none, and no home folder in which one could be kept.
    """
    if sys.platform == "darwin":
        found = re.search(r'"IOPlatformUUID" = "([0-9A-F-]{36})"', _ioreg())
        text = found[1] if found else ""
    else:
        text = _text(etc) or ""
    return text or (_kept(home / "run" / "host-id") if home else None)


@lru_cache(maxsize=1)
def this_host() -> str | None:
    """Return the id of this machine; None when nothing tells it from another one."""
    home = os.environ.get("MLOPS_HOME")
    found = machine_id(Path(home) if home and Path(home).is_dir() else None)
    return None if found is None else host_id(socket.gethostname(), found)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _ioreg() -> str:
    try:
        done = subprocess.run(
            _IOREG,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _kept(file: Path) -> str | None:
    """Return the id in a file; who comes first makes it, whole, so that two never differ."""
    found = _text(file)
    if found is not None:
        return found
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_text(secrets.token_hex(16), encoding="utf-8")
        file.hardlink_to(new)
    except FileExistsError:
        pass  # another process was first
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return _text(file)
