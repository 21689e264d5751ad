"""What the prediction log adds to an answer of the gateway, request by request.

    python -m benchmarks.log_share [--rate 200] [--seconds 120]

One gateway, one model server, two endpoints of the same function; of one of them the gateway's log
keeps nothing, all else is the same. An open loop asks them in turn, so that both meet the same
machine. Bound: the log adds at most 5 % to the median. Prints the medians, their ratio and its
95 % interval (bootstrap over the requests).
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.gateway import BODY, ROOT, asked, connection, ready, request_of

if TYPE_CHECKING:
    from services.predictions.models import Record

CONNECTIONS = 32
KEPT, NOT_KEPT = "rows", "quiet"


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    from tests.services.gateway import lab as labs

    with tempfile.TemporaryDirectory() as folder, labs.running(Path(folder)) as lab:
        lab.stop()
        replica = lab.server("rows")
        for name in (KEPT, NOT_KEPT):
            lab.put(lab.loaded("rows", replica, model=name))
        words = [sys.executable, "-P", "-m", "benchmarks.log_share", "--serve", str(lab.port)]
        with (
            (lab.home.logs / "gateway.log").open("wb") as log,
            subprocess.Popen(
                words, cwd=ROOT, env=labs.variables(lab.home), stdout=log, stderr=log
            ) as gateway,
        ):
            ready(lab.port)
            requests = [
                request_of((lab.port, f"/predict/lab/{name}", {"X-API-Key": lab.key}, BODY))
                for name in (KEPT, NOT_KEPT)
            ]
            told(*asyncio.run(load(lab.port, requests, given.rate, given.seconds)))
            gateway.terminate()


def serve(port: int) -> None:
    """Be the gateway; its log keeps nothing of one endpoint."""
    from services.gateway.__main__ import main as gateway
    from services.predictions.log import PredictionLog

    append = PredictionLog.append

    def some(log: PredictionLog, record: "Record", **more: Any) -> None:  # noqa: ANN401
        if record.model == KEPT:
            append(log, record, **more)

    PredictionLog.append = some  # type: ignore[method-assign, assignment]
    sys.exit(gateway(["--port", str(port)]))


async def load(port: int, requests: list[bytes], rate: float, seconds: float) -> list[np.ndarray]:
    """Ask in turn, open-loop; return the latencies of each in ms, from when they were due."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await connection(port))
    latencies: list[list[float]] = [[] for _ in requests]

    async def one(number: int, due: float) -> None:
        reader, writer = await free.get()
        status = await asked(reader, writer, requests[number])
        if status != 200:
            raise SystemExit(f"the gateway answered {status}")
        latencies[number].append(1000 * (time.perf_counter() - due))
        free.put_nowait((reader, writer))

    begun, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number % len(requests), due)))
    await asyncio.gather(*tasks)
    return [np.array(one[len(one) // 20 :]) for one in latencies]


def told(kept: np.ndarray, not_kept: np.ndarray) -> None:
    """Print the figures."""
    rng = np.random.default_rng(1)
    ratios = [
        np.median(rng.choice(kept, len(kept))) / np.median(rng.choice(not_kept, len(not_kept)))
        for _ in range(1000)
    ]
    low, high = np.quantile(ratios, [0.025, 0.975])
    for name, some in (("with the log", kept), ("without", not_kept)):
        p50, p95, p99 = np.quantile(some, [0.5, 0.95, 0.99])
        print(f"{name:14} {len(some):,} requests, p50 {p50:.3f}  p95 {p95:.3f}  p99 {p99:.3f} ms")
    ratio = np.median(kept) / np.median(not_kept)
    print(f"p50 ratio      {ratio:.4f} (95 %: {low:.4f} to {high:.4f}), {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
