"""What a model server adds to its model, and what asking several requests together gains.

    python -m benchmarks.model_server [--seconds 3] [--callers 32] [--bundle DIR --project DIR]

Without a bundle it takes projects 03 and 04 with initial weights. Each bundle is served twice, with
batches and with one row a batch, in turns: ``one`` is a caller that waits for each answer,
``load`` is so many requests always outstanding on four connections. The model by itself, in this
process, is beside it; with ``--torch cpu`` the classifier on torch too. All with the Python of this
environment, one row a request.
"""

import argparse
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from mlops_client.serving import validation
from mlops_client.serving.asking import Caller
from mlops_client.serving.frames import Columns, Parser, frame, packed
from mlops_client.serving.loading import load

ROOT = Path(__file__).parents[1]
CONNECTIONS = 4
TORCH = "compression.serving_torch:predictor"
KEPT = ("one", "load", "rows", "per_s", "one_cpu", "load_cpu")


@contextmanager
def served(
    bundle: Path, project: Path, max_batch: int, backend: str = "auto"
) -> Iterator[tuple[str, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "s"
        command = [sys.executable, "-m", "mlops_client.serving", "--bundle", str(bundle)]
        command += ["--socket", str(address), "--max-batch", str(max_batch), "--backend", backend]
        path = [str(ROOT / "client" / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
        process = subprocess.Popen(
            command, cwd=project, env=kept, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            assert first["event"] == "ready", first
            yield f"unix:{address}", first
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


def one_at_a_time(address: str, columns: Columns, seconds: float) -> list[float]:
    took = []
    with Caller(address) as caller:
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            caller.infer(columns)
            took.append(time.perf_counter() - began)
    return took


class Pipe:
    """A connection on which many requests are outstanding."""

    def __init__(self, address: str, columns: Columns) -> None:
        self.socket = Caller(address).socket
        self._parser = Parser()
        self._told, self._body = packed(columns)
        self._number = 0
        self._sent: dict[int, float] = {}

    def send(self, count: int) -> None:
        """Send so many more, in one go."""
        frames = []
        for _ in range(count):
            self._number += 1
            header = {"id": self._number, "op": "infer", "inputs": self._told}
            frames.append(frame(header, self._body))
            self._sent[self._number] = time.perf_counter()
        self.socket.sendall(b"".join(frames))

    def answers(self) -> list[tuple[float, int]]:
        """Return how long each answer that is here took, and how many rows were asked with it."""
        got = []
        for header, _ in self._parser.feed(self.socket.recv(1 << 18)):
            assert header["ok"], header
            took = time.perf_counter() - self._sent.pop(header["id"])
            got.append((took, header["timing"]["batch_rows"]))
        return got


def under_load(address: str, columns: Columns, seconds: float, outstanding: int) -> dict[str, Any]:
    """Keep so many requests outstanding; return answers a second, and how long each took."""
    got: list[tuple[float, int]] = []
    with selectors.DefaultSelector() as selector:
        pipes = [Pipe(address, columns) for _ in range(CONNECTIONS)]
        for pipe in pipes:
            selector.register(pipe.socket, selectors.EVENT_READ, pipe)
            pipe.send(outstanding // CONNECTIONS)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(1):
                answers = key.data.answers()
                got += answers
                key.data.send(len(answers))
    for pipe in pipes:
        pipe.socket.close()
    took, rows = [one for one, _ in got], statistics.mean(rows for _, rows in got)
    return {"answers_per_s": len(took) / seconds, "took": took, "rows": rows}


def by_itself(bundle: Path, project: Path, columns: Columns, seconds: float) -> list[float]:
    """Return how long the model takes in this process, without a server."""
    loaded = load(bundle, root=project)
    loaded.warm_up()
    took = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        loaded.model.predict(columns)
        took.append(time.perf_counter() - began)
    return took


def cpu_s(pid: int) -> float:
    """Return the processor time of a process: what other load on the machine disturbs least."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def ms(seconds: list[float], share: float) -> float:
    return round(float(np.quantile(seconds, share)) * 1000, 3)


def measured(bundle: Path, project: Path, given: argparse.Namespace) -> dict[str, Any]:
    from mlops_client.serving import info

    asked = validation.example(info.read(bundle))
    columns = {name: values[:1] for name, values in asked.items()}
    alone = by_itself(bundle, project, columns, given.seconds)
    found: dict[str, Any] = {"model": {"p50_ms": ms(alone, 0.5)}}
    totals: dict[str, dict[str, list[Any]]] = {}
    for _ in range(given.rounds):
        for name, most, backend in kinds(given.torch):
            kept = totals.setdefault(name, {key: [] for key in KEPT})
            with served(bundle, project, most, backend) as (address, first):
                found.setdefault("start_s", first["load_s"] + first["warm_s"])
                found.setdefault("rss_mb", first["memory"]["rss_bytes"] / 1e6)
                begun = cpu_s(first["pid"])
                took = one_at_a_time(address, columns, given.seconds)
                middle = cpu_s(first["pid"])
                load_ = under_load(address, columns, given.seconds, given.callers)
                kept["one_cpu"].append((middle - begun) / len(took))
                kept["load_cpu"].append((cpu_s(first["pid"]) - middle) / len(load_["took"]))
                kept["one"] += took
            kept["load"] += load_["took"]
            kept["rows"].append(load_["rows"])
            kept["per_s"].append(load_["answers_per_s"])
    for name, kept in totals.items():
        found[name] = {
            "one_p50_ms": ms(kept["one"], 0.5),
            "one_p99_ms": ms(kept["one"], 0.99),
            "load_p50_ms": ms(kept["load"], 0.5),
            "load_p99_ms": ms(kept["load"], 0.99),
            "one_cpu_ms": ms(kept["one_cpu"], 0.5),
            "load_cpu_ms": ms(kept["load_cpu"], 0.5),
            "answers_per_s": round(statistics.median(kept["per_s"])),
            "rows_a_batch": round(statistics.mean(kept["rows"]), 1),
        }
    found["cpu_gain"] = round(found["single"]["load_cpu_ms"] / found["batches"]["load_cpu_ms"], 2)
    found["gain"] = round(found["batches"]["answers_per_s"] / found["single"]["answers_per_s"], 2)
    return found


def kinds(torch: str) -> list[tuple[str, int, str]]:
    """Return what is compared: name, most rows of a batch, backend."""
    found = [("batches", 32, "auto"), ("single", 1, "auto")]
    return [*found, (f"torch_{torch}", 32, torch)] if torch else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--torch", default="", help="mps, cuda or cpu: the classifier there too")
    given = parser.parse_args()
    if given.bundle:
        print(json.dumps(measured(given.bundle, given.project, given), indent=1))
        return
    sys.path.insert(0, str(ROOT / "client" / "tests"))
    import serving_bundles as bundles  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        for make, project in (
            (bundles.classifier, bundles.CLASSIFIER),
            (bundles.text, bundles.TEXT),
        ):
            given.torch = given.torch if make is bundles.classifier else ""
            more = {"torch_entry": TORCH} if given.torch else {}
            found = measured(make(Path(folder) / make.__name__, **more), project, given)
            print(make.__name__, json.dumps(found, indent=1), flush=True)


if __name__ == "__main__":
    main()
