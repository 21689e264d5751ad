"""A project's own environment: its pinned packages and our client, built by uv in ``.venv``."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from services.errors import PlatformError
from services.home import Home, toolkit_root

Report = Callable[[str], None]
_STAMP = ".mlops-stamp"
_BUILD_TIMEOUT_S = 900


def uv_program() -> str:
    """Return the uv of the platform's own environment."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def client_wheel(home: Home) -> Path:
    """Return our client as a wheel, built again when its source changed."""
    source = toolkit_root() / "client"
    digest = _digest(sorted([*source.glob("src/**/*.py"), source / "pyproject.toml"]))
    folder = home.root / "client" / digest[:16]
    built = next(folder.glob("*.whl"), None)
    if built is not None:
        return built
    # The wheel is made with the pinned hatchling of our environment: nothing is fetched for it.
    arguments = [uv_program(), "build", "--wheel", "--no-build-isolation", "--quiet"]
    arguments += ["--python", sys.executable, "--out-dir", str(folder), str(source)]
    _run(arguments, source, "the client")
    return next(folder.glob("*.whl"))


def is_ready(path: Path, home: Home) -> bool:
    """Return whether the environment is there and made from the present pins and client."""
    try:
        return (path / ".venv" / _STAMP).read_text() == _stamp(path, home)
    except OSError:
        return False


def prepare(path: Path, home: Home, report: Report = lambda _line: None) -> Path:
    """Build the environment unless it is ready; return its Python.

    Raises:
        PlatformError: uv failed; the message ends with what it said.
    """
    python = path / ".venv" / "bin" / "python"
    if is_ready(path, home):
        return python
    wheel = client_wheel(home)
    uv = uv_program()
    report("building its environment")
    if not python.exists():
        _run([uv, "venv", "--quiet", "--clear", ".venv"], path, path.name)
    if (path / "requirements.txt").exists():
        pinned = [uv, "pip", "sync", "--quiet", "--python", str(python), "requirements.txt"]
        if "--hash=" in (path / "requirements.txt").read_text(encoding="utf-8"):
            pinned.insert(3, "--require-hashes")
        _run(pinned, path, path.name)
    else:
        _run([uv, "sync", "--quiet", "--no-install-project"], path, path.name)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--reinstall"]
    _run([*install, "--python", str(python), str(wheel)], path, path.name)
    (path / ".venv" / _STAMP).write_text(_stamp(path, home))
    return python


def _stamp(path: Path, home: Home) -> str:
    pins = [path / name for name in ("requirements.txt", "uv.lock") if (path / name).exists()]
    return f"{_digest([*pins, path / 'pyproject.toml'])} {client_wheel(home).parent.name}"


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _run(arguments: list[str], folder: Path, whose: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    try:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"The environment of {whose} could not be built: {error}.") from error
    if done.returncode:
        said = done.stderr.strip()[-800:]
        raise PlatformError(
            f"The environment of {whose} could not be built: uv ended with "
            f"{done.returncode}. {said}",
            f"Try it by hand: cd {folder} && {' '.join(arguments[1:])}",
        )
