"""A measured trial: load a version once in a model server of its own, and see what it takes.

It takes as long as one start, a second or two for small models, and makes the first plan of a
version exact: nothing is guessed about a project's imports, copies at load or compiled graphs.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
import psutil

from services.errors import PlatformError
from services.resources.models import gib
from services.serving import measured
from services.serving.backends import flavor, on_torch
from services.serving.estimating import (
    Estimate,
    base_module,
    estimate,
    formula,
    half_bytes_of,
)
from services.serving.measured import Base, Measured, Measurement
from services.serving.models import Backend, BundleInfo

TIMEOUT_S = 180.0
_BASE_TIMEOUT_S = 90.0
_END_S = 10.0
_LOOK_S = 0.05
_SAID = 2000
_KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")
_IMPORTS = {"mlx": "mlx.core", "torch": "torch", "onnx": "onnxruntime", "skops": "skops.io"}
_BASE = """
import importlib, json, os, sys
sys.path.insert(0, os.getcwd())
from mlops_client.serving import __main__, memory
for name in sys.argv[1:]:
    importlib.import_module(name)
print("\\n" + json.dumps(memory.measured()), flush=True)
os._exit(0)
"""
"""Ends without taking MLX apart, which on Linux may abort."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project's model servers run."""

    python: Path
    """Of the project's environment."""
    folder: Path
    """The project's."""
    sockets: Path
    """Folder for sockets; its path is short."""
    host: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what a model server gets, which holds no secret."""

    def variables(self) -> dict[str, str]:
        """Return the environment of a model server."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {
            "PATH": f"{self.python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.python.parent.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return {**kept, **own, **self.environment}


def estimated(
    book: Measured,
    bundle: Path,
    info: BundleInfo,
    place: Place,
    backend: Backend,
    max_batch: int,
    *,
    free_bytes: int | None,
    timeout_s: float = TIMEOUT_S,
) -> Estimate:
    """Return what one replica takes; what was never measured is tried, when there is room for it.

    Args:
        book: The measurements of this installation; the trial's is added.
        bundle: The version's verified bundle.
        info: What it says of itself.
        place: Where it is to run.
        backend: What it computes on.
        max_batch: Rows that are asked together at most.
        free_bytes: What may be taken for the trial; None: nobody knows, and nothing is tried.
        timeout_s: How long the trial may take.

    Raises:
        PlatformError: The version does not load or does not answer its example, so it cannot be
            deployed either; or the measurements cannot be read or written.
    """
    known = book.measurements()
    if measured.exact(known, info, backend, max_batch) is not None:
        return estimate(info, info.weights_bytes, backend, max_batch, known)
    half, base = half_bytes_of(bundle / "model"), base_of(book, info, place, backend)
    guess = estimate(
        info, info.weights_bytes, backend, max_batch, known, base=base, half_bytes=half
    )
    if free_bytes is None or guess.high > free_bytes:
        return guess
    blind = formula(info, backend, max_batch, base, half)
    seen = run(
        bundle, info, place, backend, max_batch,
        most_bytes=free_bytes, expected_bytes=blind.bytes, timeout_s=timeout_s,
    )  # fmt: skip
    book.note(seen)
    return estimate(info, info.weights_bytes, backend, max_batch, book.measurements())


def base_of(
    book: Measured, info: BundleInfo, place: Place, backend: Backend | None = None
) -> Base | None:
    """Return what a server of a project takes before it loads a model, measured when unknown.

    None when its modules cannot be imported alone: then loading will say why.

    Raises:
        PlatformError: The bases cannot be read or written.
    """
    entry = base_module(info, backend)
    mark = measured.mark(place.python, place.folder, info.git_commit)
    known = book.base(info.project, entry, mark)
    if known is not None:
        return known
    peak = _base_bytes(info, place, backend)
    if peak is None:
        return None
    base = Base(info.project, entry, mark, peak, host=place.host, at=time.time())
    book.note_base(base)
    return base


def run(
    bundle: Path,
    info: BundleInfo,
    place: Place,
    backend: Backend,
    max_batch: int,
    *,
    most_bytes: int | None = None,
    expected_bytes: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Measurement:
    """Load a version, warm it up at ``max_batch``, end it, and return its peak.

    Args:
        bundle: The version's verified bundle.
        info: What it says of itself.
        place: Where it is to run.
        backend: What it computes on.
        max_batch: Rows that are asked together at most.
        most_bytes: It is ended when it takes more; None: it may take what it wants.
        expected_bytes: What the formula said, to be held against the peak.
        timeout_s: How long it may take until it is ready.

    Raises:
        PlatformError: It cannot be started, does not load, does not answer its example, takes too
            long or too much.
    """
    with tempfile.TemporaryDirectory(prefix="trial-", dir=place.sockets) as scratch:
        socket = Path(scratch) / "s"
        command = [
            str(place.python), "-m", "mlops_client.serving", "--bundle", str(bundle),
            "--socket", str(socket), "--backend", backend, "--max-batch", str(max_batch),
            "--parent-pid", str(os.getpid()),
        ]  # fmt: skip
        with (Path(scratch) / "said").open("w+b") as said, _started(command, place, said) as server:
            event = _first_event(server, said, info, most_bytes, timeout_s)
    seen = measured.from_memory(
        info, backend, max_batch, event["memory"],
        host=place.host, source="trial", estimated_bytes=expected_bytes,
    )  # fmt: skip
    if seen is None:
        raise PlatformError(
            f"The trial of {info.project}.{info.model} version {info.version} told no peak.",
            "Give its memory yourself (--memory).",
        )
    return seen


@contextlib.contextmanager
def _started(command: list[str], place: Place, said: IO[bytes]) -> Any:  # noqa: ANN401 - generator
    try:
        server = subprocess.Popen(
            command, cwd=place.folder, env=place.variables(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=said, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise PlatformError(
            f"The trial could not be started: {error}.",
            "The project's environment may not be built: `mlops projects check ID` tells.",
        ) from error
    try:
        yield server
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started."""
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_END_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    if server.stdout is not None:
        server.stdout.close()


def _first_event(
    server: subprocess.Popen[bytes],
    said: IO[bytes],
    info: BundleInfo,
    most_bytes: int | None,
    timeout_s: float,
) -> dict[str, Any]:
    name = f"{info.project}.{info.model} version {info.version}"
    line = _line(server, name, most_bytes, timeout_s)
    event = _event(line)
    if event is None:
        code = server.wait(_END_S) if not line else server.poll()
        raise PlatformError(
            f"The trial of {name} ended without a word{_how(code)}.", _last(said) or "No output."
        )
    if event.get("event") != "ready":
        stage = {"load": "does not load", "warm-up": "does not answer its example"}
        what = stage.get(str(event.get("stage")), "could not be tried")
        raise PlatformError(f"{name} {what}: {event.get('reason')}", str(event.get("hint") or ""))
    return event


def _line(
    server: subprocess.Popen[bytes], name: str, most_bytes: int | None, timeout_s: float
) -> bytes:
    """Return the first line; empty when it ended without one."""
    if server.stdout is None:  # never: it was asked for
        return b""
    handle, read, until = server.stdout.fileno(), b"", time.monotonic() + timeout_s
    with selectors.DefaultSelector() as ready:
        ready.register(handle, selectors.EVENT_READ)
        while time.monotonic() < until:
            if ready.select(_LOOK_S):
                piece = os.read(handle, 65536)
                read += piece
                if not piece or b"\n" in read:
                    return read.partition(b"\n")[0]
            _within(server.pid, name, most_bytes)
    raise PlatformError(
        f"{name} was not ready after {timeout_s:.0f} s of its trial.",
        "Give its memory yourself (--memory), or see why it loads so slowly.",
    )


def _within(pid: int, name: str, most_bytes: int | None) -> None:
    if most_bytes is None:
        return
    try:
        taken = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return
    if taken > most_bytes:
        raise PlatformError(
            f"{name} took {gib(taken)} while it was tried, and {gib(most_bytes)} are free; it was "
            "ended.",
            "Make room first, or deploy it with smaller batches.",
        )


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    usable = event.get("event") != "ready" or isinstance(event.get("memory"), dict)
    return event if usable else None


def _how(code: int | None) -> str:
    if code is None:
        return ""
    return f" (signal {-code})" if code < 0 else f" (exit code {code})"


def _last(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _SAID))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return "" if not lines else f"It printed last: {lines[-1][:300]}"


def _base_bytes(info: BundleInfo, place: Place, backend: Backend | None) -> int | None:
    torch = backend is not None and on_torch(info, backend)
    kind, entry = "torch" if torch else flavor(info), base_module(info, backend)
    modules = [_IMPORTS[kind]] if kind in _IMPORTS else []
    modules += [entry] if info.entry else []
    try:
        done = subprocess.run(
            [str(place.python), "-c", _BASE, *modules], cwd=place.folder, env=place.variables(),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_BASE_TIMEOUT_S, check=False,
        )  # fmt: skip
        told = json.loads(done.stdout.strip().splitlines()[-1])
        peak = told["peak_rss_bytes"]
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError, KeyError, TypeError):
        return None
    return peak if isinstance(peak, int) else None
