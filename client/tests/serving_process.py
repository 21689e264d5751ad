"""A model server in a process of its own, and callers to it."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_client.serving.asking import Caller

CLIENT = Path(__file__).parents[1] / "src"


@dataclass
class Served:
    """One model server."""

    process: subprocess.Popen[str]
    socket: Path
    first: dict[str, Any]
    """Its first event."""
    callers: list[Caller] = field(default_factory=list)

    def caller(self) -> Caller:
        one = Caller(f"unix:{self.socket}")
        self.callers.append(one)
        return one

    def raw(self) -> socket.socket:
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.settimeout(60)
        one.connect(str(self.socket))
        return one

    def stats(self) -> dict[str, Any]:
        with Caller(f"unix:{self.socket}") as one:
            stats: dict[str, Any] = one.ask("stats")[0]["stats"]
        return stats


def command(bundle: Path, address: str | Path, *options: str) -> list[str]:
    start = [sys.executable, "-m", "mlops_client.serving", "--bundle", str(bundle)]
    return [*start, "--socket", str(address), *options]


def environment(path: str = "", **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS", "PYTHON"))}
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(CLIENT), path])),
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def socket_path(folder: Path) -> Path:
    """Return a socket's path that is short enough on a Mac, the same for the same folder."""
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ms-{mark}"


@contextmanager
def serving(
    bundle: Path,
    project: Path,
    *options: str,
    log: Path | None = None,
    path: str = "",
    keep: bool = False,
) -> Iterator[Served]:
    """Start one, wait for its first event, and end it."""
    address = socket_path(bundle.parent)
    said = log or bundle.parent / "log"
    with said.open("w") as file:
        process = subprocess.Popen(
            command(bundle, address, *options), cwd=project, env=environment(path), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
        )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    line = process.stdout.readline()
    assert line, said.read_text()
    served = Served(process, address, json.loads(line))
    try:
        yield served
    finally:
        for one in served.callers:
            one.socket.close()
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()
        if not keep:
            address.unlink(missing_ok=True)
