"""One bundle in several model servers: MLX beside PyTorch on MPS, CUDA and the CPU, in one run.

    python -m benchmarks.backends [--projects projects] [--seconds 6] [--rows 1,8,32] [--only 02,04]

Of each project that has a torch model the bundle is made with fresh weights of the size it trains.
All model servers run at once and are asked in turns of a few requests, so that what else the
machine does meets all of them alike. Printed: p50 and p95 of a request over the socket and p50 of
the model alone, rows a second with eight requests in flight, the time to load and warm up, the peak
of memory; then each backend's ratios to MLX. A backend that is not here is told with its reason.
torch is not in the environments of the projects on Linux: put its folder on PYTHONPATH.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mlops_client.serving.asking import Caller

from benchmarks.planner import DEMOS, MIB, Demo, bundle
from services.projects.contract import require
from services.serving.models import BundleInfo
from services.serving.trial import Place

BACKENDS = ("mlx", "mps", "cuda", "cpu")
IN_FLIGHT = 8
TURN = 5
"""Requests of one server before the next one's turn."""
_DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BYTES": object}


@dataclass
class Seen:
    """What was measured of one backend with requests of so many rows."""

    latency_ms: list[float] = field(default_factory=list)
    model_ms: list[float] = field(default_factory=list)
    rows: int = 0
    busy_s: float = 0.0

    def figures(self) -> dict[str, float]:
        """Return what is printed."""
        cuts = statistics.quantiles(self.latency_ms, n=20)
        return {
            "p50 ms": statistics.median(self.latency_ms),
            "p95 ms": cuts[18],
            "model ms": statistics.median(self.model_ms),
            "rows/s": self.rows / self.busy_s,
        }


@dataclass
class Server:
    """One model server that is ready."""

    backend: str
    caller: Caller
    ready: dict[str, Any]
    seen: dict[int, Seen] = field(default_factory=dict)

    def one_by_one(self, columns: dict[str, np.ndarray], rows: int) -> None:
        """Ask a few requests, each after the answer of the last."""
        seen = self.seen.setdefault(rows, Seen())
        for _ in range(TURN):
            began = time.perf_counter()
            header, _body = self.caller.ask("infer", columns)
            seen.latency_ms.append((time.perf_counter() - began) * 1000)
            seen.model_ms.append(header["timing"]["model_ms"])

    def at_once(self, columns: dict[str, np.ndarray], rows: int) -> None:
        """Ask a few requests together."""
        seen, frames = self.seen.setdefault(rows, Seen()), self.caller.frames()
        began = time.perf_counter()
        for _ in range(IN_FLIGHT):
            self.caller.send("infer", columns)
        for _ in range(IN_FLIGHT):
            header, _body = next(frames)
            if not header["ok"]:
                raise SystemExit(f"{self.backend}: {header['error']}")
        seen.busy_s += time.perf_counter() - began
        seen.rows += rows * IN_FLIGHT

    def peak_mib(self) -> float:
        """Return the most memory it took; on a Mac with what Metal held."""
        stats = self.caller.ask("stats")[0]["stats"]
        beside = stats["mlx_peak_bytes"] if self.backend == "mlx" else stats["torch_peak_bytes"]
        metal = sys.platform == "darwin" and self.backend in {"mlx", "mps"}
        return (stats["peak_rss_bytes"] + (beside or 0 if metal else 0)) / MIB


@contextmanager
def served(folder: Path, place: Place, backend: str) -> Iterator[Server | str]:
    """Run a model server until the block ends; a sentence where the backend is not here."""
    path = place.sockets / f"{folder.name}-{backend}"
    command = [
        str(place.python), "-m", "mlops_client.serving", "--bundle", str(folder),
        "--socket", str(path), "--backend", backend,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=place.folder, env=place.variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            line = server.stdout.readline() if server.stdout else b""
            event = json.loads(line or b'{"event": "failed", "reason": "It ended."}')
            if event["event"] != "ready":
                yield str(event["reason"])
                return
            with Caller(f"unix:{path}") as caller:
                yield Server(backend, caller, event)
        finally:
            server.terminate()


def made(demo: Demo, project: Path, place: Place, folder: Path) -> BundleInfo | None:
    """Write the bundle; None when the project has no torch model."""
    named = [one.torch for one in require(project).serve.values() if one.torch]
    if not named:
        return None
    info = replace(bundle(demo, project, place, folder), torch_entry=named[0])
    (folder / "serving.json").write_text(json.dumps(info.as_json()))
    return info


def asked(demo: Demo, rows: int) -> dict[str, np.ndarray]:
    """Return the columns of a request."""
    return {
        name: np.array([demo.examples[name]] * rows, dtype=_DTYPES[kind])
        for name, (kind, _) in demo.inputs.items()
    }


def compare(servers: Sequence[Server], demo: Demo, sizes: Sequence[int], seconds: float) -> None:
    """Ask all in turns, each size for so long."""
    for rows in sizes:
        columns = asked(demo, rows)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for server in servers:
                server.one_by_one(columns, rows)
                server.at_once(columns, rows)


def check(servers: Sequence[Server], demo: Demo) -> None:
    """Refuse to compare what does not answer alike."""
    columns = asked(demo, 8)
    first, *others = [server.caller.infer(columns) for server in servers]
    for other in others:
        for name, values in first.items():
            np.testing.assert_allclose(other[name], values, rtol=1e-3, atol=1e-4)


def told(name: str, servers: Sequence[Server], sizes: Sequence[int]) -> None:
    """Print the figures of one project."""
    heads = ("p50 ms", "p95 ms", "model ms", "rows/s")
    print(f"\n{name}")
    print(f"{'backend':>8}{'rows':>6}" + "".join(f"{head:>11}" for head in heads))
    for rows in sizes:
        for server in servers:
            cells = server.seen[rows].figures()
            print(f"{server.backend:>8}{rows:>6}" + "".join(f"{cells[h]:>11.3f}" for h in heads))
    for server in servers:
        ready = server.ready
        print(
            f"{server.backend:>8}  load {ready['load_s']:.2f} s, warm-up {ready['warm_s']:.2f} s, "
            f"peak {server.peak_mib():.0f} MiB. {ready['backend_reason']}"
        )
    for server in servers[1:] if servers[0].backend == "mlx" else ():
        for rows in sizes:
            own, mlx = server.seen[rows].figures(), servers[0].seen[rows].figures()
            ratios = ", ".join(f"{head} {own[head] / mlx[head]:.2f}" for head in heads)
            print(f"  {server.backend} / mlx at {rows:>2} rows: {ratios}")
        print(
            f"  {server.backend} / mlx of memory: {server.peak_mib() / servers[0].peak_mib():.2f}"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projects", type=Path, default=Path("projects"))
    parser.add_argument("--seconds", type=float, default=6.0, help="for each number of rows")
    parser.add_argument("--rows", default="1,8,32")
    parser.add_argument("--only", default="", help="numbers of projects; default: all that can")
    given = parser.parse_args()
    sizes = [int(one) for one in given.rows.split(",")]
    with tempfile.TemporaryDirectory(prefix="backends-") as scratch:
        for demo in DEMOS:
            if given.only and demo.number not in given.only.split(","):
                continue
            project = next(given.projects.resolve().glob(f"{demo.number}_*"))
            place = _place(project, Path(scratch))
            folder = Path(scratch) / demo.number
            if made(demo, project, place, folder) is None:
                continue
            with ExitStack() as running:
                tried = {b: running.enter_context(served(folder, place, b)) for b in BACKENDS}
                servers = [one for one in tried.values() if isinstance(one, Server)]
                check(servers, demo)
                compare(servers, demo, sizes, given.seconds)
                told(project.name, servers, sizes)
                for backend, one in tried.items():
                    if isinstance(one, str):
                        print(f"  {backend} is not here: {one}")


def _place(project: Path, scratch: Path) -> Place:
    """Return where a project's servers run; PYTHONPATH is theirs too, for torch."""
    own = project / ".venv" / "bin" / "python"
    python = own if own.is_file() else Path(sys.executable)
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return Place(python, project, scratch, environment=path)


if __name__ == "__main__":
    main()
