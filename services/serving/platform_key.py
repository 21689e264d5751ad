"""The key with which the platform itself asks the gateway: ``mlops predict`` and the try-it form.

It lies in ``MLOPS_HOME/secrets/gateway-platform.key``, readable by its owner alone. Who revokes it
rotates it: the next question makes another one.
"""

import contextlib
import os
import tempfile
import time
from pathlib import Path

from services.actions.journal import Journal
from services.errors import PlatformError
from services.home import Home
from services.serving import store
from services.serving.store import ALL_PROJECTS, ApiKey

NAME = "the platform itself"
FILE = "gateway-platform.key"
_RATE_PER_S = 100_000.0
_CONCURRENCY = 1_000


def platform_key(home: Home, journal: Journal) -> str:
    """Return the key, made when there is none that counts.

    It opens the models of all projects: whoever asks with it looks at the person's scope first.

    Raises:
        PlatformError: It cannot be read or written.
    """
    path = home.secrets / FILE
    known = _read(path)
    if known and _counts(journal, known):
        return known
    key_id, key, hashed = store.new_key()
    made = ApiKey(
        key_id, ALL_PROJECTS, NAME, hashed, None, _RATE_PER_S, _CONCURRENCY, time.time(), "platform"
    )
    store.add_key(journal, made)
    _write(path, key)
    return key


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(
            f"The platform's own API key {path} cannot be read.", "Delete it; it is made anew."
        ) from error


def _counts(journal: Journal, key: str) -> bool:
    key_id, hashed, now = store.key_id_of(key), store.key_hash(key), time.time()
    return any(
        one.id == key_id and one.hash == hashed and one.good(now)
        for one in store.keys(journal, [ALL_PROJECTS])
    )


def _write(path: Path, key: str) -> None:
    name = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
        with os.fdopen(handle, "w") as file:
            file.write(f"{key}\n")
        Path(name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(name or "/nowhere").unlink()
        raise PlatformError(
            f"The platform's own API key {path} cannot be written ({error.strerror or error}).",
            "See that the folder belongs to you and the disk is not full.",
        ) from error
