"""What a version is before it is packaged, as far as its memory and its backend depend on it.

MLflow lists its files with their sizes. Of those only what tells the shape is fetched: ``MLmodel``,
small JSON files, and the header of safetensors; the others are as long as they are and empty. From
that the same code as in packaging makes the same ``BundleInfo``, in some requests instead of a
download. Nothing of it is verified, so it serves to tell and to plan, never to load.
"""

import struct
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import EngineProtocolError, PlatformError
from services.projects.contract import Contract, require
from services.serving import described, estimating, interface
from services.serving.models import BundleInfo
from services.workflows.packaging import Source

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

SMALL_BYTES = 256 << 10
"""JSON files up to this are fetched: a configuration is shorter, a tokenizer longer."""
_LONGEST_HEADER = 4 << 20
_MOST_FILES = 2_000
_MOST_FETCHED = 16
_KEPT_S, _FAULT_KEPT_S = 60.0, 10.0
"""A contract may change meanwhile, and an engine come back."""
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of a version from its files' names and sizes."""

    info: BundleInfo
    half_bytes: int | None
    """How many of the weights' bytes are in half precision; None: not known."""


def look(
    mlflow: "MLflow", contract: Contract, project_folder: Path, model: str, version: int
) -> Foreseen:
    """Return what a version is, from what MLflow lists of it.

    Raises:
        EngineError: MLflow did not answer, or lists nothing that a version can be told by.
        BundleError: The version will be refused when it is packaged; the message says why.
        PlatformError: There is no room for a few small files.
    """
    project = contract.id
    source = Source(mlflow, project, mlflow.version_folder(project, model, version))
    name = {"project": project, "model": model, "version": version}
    try:
        with tempfile.TemporaryDirectory(prefix="mlops-foreseen-") as scratch:
            folder = Path(scratch)
            _laid(source, folder)
            info = interface.info(name, folder, contract, project_folder)
            return Foreseen(info, estimating.half_bytes_of(folder))
    except OSError as error:
        raise PlatformError(
            f"The files of {model} version {version} cannot be looked at: "
            f"{error.strerror or error}.",
            "Free some space in the folder for temporary files.",
        ) from error
    except (ValueError, RecursionError) as error:  # a configuration that is no JSON
        raise EngineProtocolError(
            f"The configuration of {model} version {version} cannot be read.",
            "Packaging it will tell which file is wrong.",
        ) from error


def _laid(source: Source, folder: Path) -> None:
    """Lay the files out: those that tell the shape as they are, the others empty and as long."""
    fetched = 0
    for number, (name, size) in enumerate(source.listing()):
        if number >= _MOST_FILES:
            raise EngineProtocolError(f"MLflow lists more than {_MOST_FILES:,} files of it.")
        if size is None or size < 0:
            raise EngineProtocolError(f"MLflow does not tell how large {name[:100]!r} is.")
        if fetched < _MOST_FETCHED and _tells(name, size):
            fetched += 1
            source.fetch(name, folder, size)
            continue
        with source.place(name, folder).open("wb") as file:
            if name.endswith(".safetensors"):
                file.write(_header(source, name))
            file.truncate(size)


def _tells(name: str, size: int) -> bool:
    if name == "MLmodel":
        return size <= described.LONGEST
    return name.endswith(".json") and size <= SMALL_BYTES


def _header(source: Source, name: str) -> bytes:
    """Return the beginning of a safetensors file with its header; nothing where that is odd."""
    held, wanted = b"", 8
    pieces = source.content(name)
    try:
        for piece in pieces:
            held += piece[: _LONGEST_HEADER + 8]
            if wanted == 8 and len(held) >= 8:
                (length,) = struct.unpack("<Q", held[:8])
                if length > _LONGEST_HEADER:
                    return b""
                wanted = 8 + length
            if wanted > 8 and len(held) >= wanted:
                return held[:wanted]
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()  # the rest is not sent
    return b""


@dataclass(slots=True)
class _Asked:
    """One question to MLflow, and when it was answered."""

    answer: "Future[Foreseen]"
    answered_at: float | None = None

    def old(self, now: float) -> bool:
        """Return whether it is to be asked anew."""
        if self.answered_at is None:
            return False
        kept = _FAULT_KEPT_S if self.answer.exception() else _KEPT_S
        return now - self.answered_at > kept


@dataclass
class Foresight:
    """Looks at versions in threads and keeps what it saw, so that nobody waits for MLflow long."""

    mlflow: "Callable[[], MLflow]"
    """Called in the thread; what it raises is kept as the answer."""
    now: Callable[[], float] = time.monotonic
    _asked: dict[tuple[str, str, int], _Asked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="foreseen")
    )

    def ask(
        self, project_folder: Path, project: str, model: str, version: int, patience_s: float
    ) -> Foreseen | None:
        """Return what a version is; None: MLflow has not answered within ``patience_s``.

        Raises:
            EngineError: MLflow cannot be asked; it is asked again after some seconds.
            BundleError: The version will be refused when it is packaged.
            InputError: The project's contract is broken.
            PlatformError: There is no room for a few small files.
        """
        asked = self._of((project, model, version), project_folder)
        try:
            return asked.answer.result(patience_s)
        except NotInTimeError:
            return None

    def _of(self, key: tuple[str, str, int], folder: Path) -> _Asked:
        with self._lock:
            known = self._asked.get(key)
            if known is not None and not known.old(self.now()):
                return known
            while len(self._asked) >= _MOST_KEPT:
                del self._asked[next(iter(self._asked))]
            self._asked.pop(key, None)
            made = self._asked[key] = _Asked(self._pool.submit(self._look, folder, key))
        made.answer.add_done_callback(lambda _: self._answered(made))
        return made

    def _answered(self, asked: _Asked) -> None:
        asked.answered_at = self.now()

    def _look(self, folder: Path, key: tuple[str, str, int]) -> Foreseen:
        _, model, version = key
        return look(self.mlflow(), require(folder), folder, model, version)
