"""Does a package work? Its hashes, the headers of its files, and the model's own answer.

The model is loaded in a fresh process in the project's own environment, without the tokens of the
platform: by the contract's ``smoke`` command, else by our client where the format runs no code of
strangers (safetensors with the project's own loader). A pickle is never loaded unasked.
"""

import json
import os
import shlex
import struct
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import InputError, PlatformError
from services.projects.contract import Contract
from services.workflows.packaging import MANIFEST, Package, faults

TIMEOUT_S = 900.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME")
_LOADER = "loader_module: mlops_client.mlx"
_LONGEST_HEADER = 100 << 20


@dataclass(frozen=True, slots=True)
class Smoke:
    """What was checked of one package, all of it well."""

    package: Package
    files: int
    headers: int
    """Files whose headers were parsed."""
    answer: Mapping[str, Any] | None
    """What the model's own check told; None: it was not loaded."""
    unloaded: str = ""
    """Why it was not loaded, as a sentence."""

    @property
    def said(self) -> str:
        """Return it as sentences."""
        checked = (
            f"{self.package.name}: the hashes of {self.files} files are right and the headers of "
            f"{self.headers} parse."
        )
        if self.answer is None:
            return f"{checked} This is all that was checked: {self.unloaded}"
        said = str(self.answer.get("said") or "It loads.")
        return f"{checked} {said}"


def check(package: Package, contract: Contract, folder: Path, python: Path) -> Smoke:
    """Check a package.

    Args:
        package: What to check.
        contract: The project's.
        folder: The project's folder.
        python: The Python of its environment.

    Raises:
        PlatformError: Something is wrong with it; the message says what.
    """
    wrong = faults(package)
    if wrong:
        raise PlatformError(
            f"The package of {package.name} is damaged: {' '.join(wrong[:5])}",
            f"Clear the task `package`; it fetches the files again into {package.folder}.",
        )
    files = [package.files / str(file["path"]) for file in package.manifest["files"]]
    headers = sum(_parses(file) for file in files)
    command, unloaded = _command(package, contract, python)
    answer = _asked(command, package, folder, python) if command else None
    return Smoke(package, len(files), headers, answer, unloaded)


def _command(package: Package, contract: Contract, python: Path) -> tuple[list[str], str]:
    if contract.smoke:
        try:
            words = shlex.split(contract.smoke)
        except ValueError as error:
            raise InputError(f"smoke = {contract.smoke!r} is no command: {error}.") from error
        if words and words[0] in {"python", "python3"}:
            words[0] = str(python)
        return words, ""
    described = package.files / "MLmodel"
    if described.is_file() and _LOADER in described.read_text(encoding="utf-8", errors="replace"):
        return [str(python), "-m", "mlops_client", "smoke", str(package.files)], ""
    kind = package.manifest["format"] or "an unknown format"
    return [], (
        f"the contract has no `smoke` command, and nothing of the format {kind} is loaded unasked."
    )


def _asked(command: list[str], package: Package, folder: Path, python: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mlops-smoke-") as scratch:
        answer = Path(scratch) / "answer.json"
        code = _run(command, folder, _environment(package, python, answer))
        if code != 0:
            ended = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
            raise PlatformError(
                f"{package.name} does not pass its smoke test, which ended {ended}.",
                f"Its output is above. By hand, in {folder}: MLOPS_PACKAGE={package.files} "
                f"{shlex.join(command)}",
            )
        return _told(answer)


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    # Its output is this step's own, and its process group too: whoever ends us ends it.
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise PlatformError(f"The smoke test was not done after {TIMEOUT_S:.0f} s.") from error
    except OSError as error:
        raise PlatformError(
            f"The smoke test could not be started: {error}.", "See `mlops projects check ID`."
        ) from error


def _environment(package: Package, python: Path, answer: Path) -> dict[str, str]:
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return found | {
        "VIRTUAL_ENV": str(python.parent.parent),
        "PATH": f"{python.parent}{os.pathsep}{found.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "MLOPS_PACKAGE": str(package.files),
        "MLOPS_MANIFEST": str(package.folder / MANIFEST),
        "MLOPS_ANSWER": str(answer),
    }


def _told(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# Headers


def _parses(file: Path) -> bool:
    """Return whether a file is of a kind whose header was parsed.

    Raises:
        PlatformError: Its header is not what its name says.
    """
    parse = _PARSERS.get(file.suffix)
    if parse is None:
        return False
    try:
        parse(file)
    except (OSError, ValueError, KeyError, TypeError, struct.error, zipfile.BadZipFile) as error:
        raise PlatformError(
            f"{file.name} of the package is no readable {file.suffix[1:]} file: {error}.",
            "The version was registered so: train and register it again.",
        ) from error
    return True


def _safetensors(file: Path) -> None:
    size = file.stat().st_size
    with file.open("rb") as content:
        (length,) = struct.unpack("<Q", content.read(8))
        if length > min(size - 8, _LONGEST_HEADER):
            raise ValueError("its header is longer than the file")
        header = json.loads(content.read(length))
    if not isinstance(header, dict):
        raise TypeError("its header is no JSON object")
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    if max(ends, default=0) != size - 8 - length:
        raise ValueError("it does not hold the bytes that its header tells of")


def _json(file: Path) -> None:
    json.loads(file.read_bytes())


def _numpy(file: Path) -> None:
    with file.open("rb") as content:
        if content.read(6) != b"\x93NUMPY":
            raise ValueError("it does not begin as one")


def _zip(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"{broken} in it is damaged")


def _gguf(file: Path) -> None:
    with file.open("rb") as content:
        if content.read(4) != b"GGUF":
            raise ValueError("it does not begin as one")


_PARSERS: Mapping[str, Callable[[Path], None]] = {
    ".safetensors": _safetensors,
    ".json": _json,
    ".npy": _numpy,
    ".npz": _zip,
    ".skops": _zip,
    ".gguf": _gguf,
}
