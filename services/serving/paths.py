"""Where serving keeps its files."""

import contextlib
import hashlib
import os
import string
import tempfile
from pathlib import Path

import orjson

from services.home import Home

_PLAIN = frozenset(string.ascii_lowercase + string.digits + " +@-_.")
_LONGEST = 200


def run(home: Home) -> Path:
    """Return the folder of what is true now, made when it is missing."""
    folder = home.run / "serving"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def sockets(home: Home) -> Path:
    """Return the folder of the model servers' sockets, made when it is missing.

    A socket's path has at most 104 bytes on a Mac, so this is in the folder for temporary files.

    Raises:
        OSError: It cannot be made, or somebody else made it.
    """
    mark = hashlib.sha256(str(home.root).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"mlops-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    seen = folder.lstat()
    if seen.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(f"{folder} is somebody else's")
    folder.chmod(0o700)
    return folder


def bundle(home: Home, project: str, model: str, version: int) -> Path:
    """Return the folder of a version's bundle."""
    return home.serving / "bundles" / project / _folder(model) / str(version)


def _folder(name: str) -> str:
    """Return a folder's name, another one for each name also where capitals are small letters."""
    said = "".join(c if c in _PLAIN else "".join(f"%{b:02X}" for b in c.encode()) for c in name)
    said = said if said.strip(".") else said.replace(".", "%2E")
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST - 20]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return said


def bentos(home: Home) -> Path:
    """Return the bento store (``BENTOML_HOME``)."""
    return home.serving / "bentos"


def wake(home: Home) -> Path:
    """Return the folder in which the gateway wishes that idle endpoints wake, a file each."""
    folder = run(home) / "wake"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def publish(path: Path, document: object) -> None:
    """Write a JSON document in one step: a reader sees the old one or the new one.

    It tells what is true now, so nobody waits for the disk.

    Raises:
        OSError: The disk is full or not writable; the old one stays.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))
        Path(name).replace(path)
    except BaseException:  # no half file stays behind, whatever ended it: raised again
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
