"""What the gateway costs, under an open-loop load, beside a bare Ray Serve FastAPI ingress.

    python -m benchmarks.gateway [--rate 200] [--seconds 20] [--rounds 3] [--ways gateway,bare,ray]

One function (four numbers a row, a weighted sum) behind each way, in one run, in alternating order:

- ``gateway``: keys, checks, prediction log, figures; over a Unix socket to a model server
- ``bare``: the same gateway without a prediction log, to see what the log costs
- ``ray``: the function in a Ray Serve deployment behind FastAPI, without keys, log and metrics
- ``mlflow``: ``mlflow models serve`` of the function as a pyfunc, behind a proxy that checks a key
- ``bentoml``: ``bentoml serve`` of the function, behind the same proxy

Open loop: requests begin at their times whether or not earlier ones were answered, and a latency
counts from the time a request should have begun. ``capacity`` is a closed loop of 32 clients.
The load runs in a process of its own, its connections kept.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.gateway_others import BODY, Way, bentoml, mlflow, ray, ready

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 64
CLIENTS = 32
# The load, in a process of its own


async def connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while await reader.readuntil(b"\r\n") != b"0\r\n":
            await reader.readuntil(b"\r\n")
        await reader.readuntil(b"\r\n")
    else:
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return int(head[9:12])


async def open_loop(port: int, request: bytes, rate: float, seconds: float) -> dict[str, float]:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await connection(port))
    latencies: list[float] = []
    failed = 0

    async def one(due: float) -> None:
        nonlocal failed
        pair = await free.get()
        try:
            status = await asked(*pair, request)
            latencies.append(time.perf_counter() - due)
            failed += status != 200
        except (OSError, asyncio.IncompleteReadError):
            failed += 1
            pair[1].close()
            pair = await connection(port)
        free.put_nowait(pair)

    begun = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    took = time.perf_counter() - begun
    latencies.sort()

    def at(share: float) -> float:
        return 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    return {"p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "failed": failed,
            "per_s": len(latencies) / took}  # fmt: skip


async def closed_loop(port: int, request: bytes, seconds: float) -> dict[str, float]:
    done = failed = 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal done, failed
        reader, writer = await connection(port)
        while time.perf_counter() < end:
            failed += await asked(reader, writer, request) != 200
            done += 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return {"capacity_per_s": done / seconds, "failed": failed}


def load(port: int, request: bytes, rate: float, seconds: float) -> dict[str, float]:
    """Run one load in a process of its own."""
    words = [sys.executable, "-P", "-m", "benchmarks.gateway", "--load"]
    given = json.dumps([port, request.decode(), rate, seconds])
    done = subprocess.run(words, input=given, cwd=ROOT, text=True, capture_output=True, check=True)
    return dict(json.loads(done.stdout))


def loaded() -> None:
    import uvloop

    port, request, rate, seconds = json.loads(sys.stdin.read())
    made = open_loop(port, request.encode(), rate, seconds) if rate else closed_loop(
        port, request.encode(), seconds
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(made)))


def request_of(way: Way) -> bytes:
    port, path, headers, body = way
    more = [f"{name}: {value}" for name, value in headers.items()]
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


# The ways


class _NoLog:
    def append(self, *_: object, **__: object) -> None:
        """Keep nothing."""

    append_feedback = append

    def close(self) -> None:
        """Do nothing."""


@contextlib.contextmanager
def gateway(folder: Path, *, log: bool = True) -> Iterator[Way]:
    from tests.services.gateway import lab as labs

    with labs.running(folder, "rows") as lab:
        if not log:
            lab.stop()
            with subprocess.Popen(
                [sys.executable, "-P", "-m", "benchmarks.gateway", "--bare", str(lab.port)],
                cwd=ROOT, env=labs.variables(lab.home), stderr=subprocess.DEVNULL,
            ) as process:  # fmt: skip
                lab.gateway = process
                ready(lab.port)
                yield lab.port, "/predict/lab/rows", {"X-API-Key": lab.key}, BODY
                process.terminate()
                process.wait()
            return
        yield lab.port, "/predict/lab/rows", {"X-API-Key": lab.key}, BODY


def bare(port: int) -> None:
    """Serve as ``services.gateway`` does, without a prediction log."""
    from functools import partial

    from services.actions.journal import Journal
    from services.gateway import server
    from services.gateway.keys import KeyRing
    from services.gateway.recording import Recorder
    from services.home import Home
    from services.serving import store
    from services.settings import Settings

    home = Home.locate()
    journal = Journal.open(Settings(journal_url=f"sqlite:///{home.databases / 'journal.sqlite'}"))
    keys = KeyRing(partial(store.keys, journal), journal.path)
    keys.start()
    server.run(server.build(home, keys, Recorder(_NoLog())), "127.0.0.1", port)


WAYS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Way]]] = {
    "gateway": gateway,
    "bare": lambda folder: gateway(folder, log=False),
    "ray": ray,
    "mlflow": mlflow,
    "bentoml": bentoml,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", default="gateway,bare,ray")
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        loaded()
        return
    if given.bare:
        bare(given.bare)
        return
    with contextlib.ExitStack() as stack:
        ways = {}
        for name in given.ways.split(","):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ways[name] = stack.enter_context(WAYS[name](folder))
            load(ways[name][0], request_of(ways[name]), 0, 3)  # warm
        print(f"{given.rate:g} requests a second for {given.seconds:g} s, {given.rounds} rounds")
        print(json.dumps(measured(ways, given.rate, given.seconds, given.rounds), indent=1))


def measured(
    ways: dict[str, Way], rate: float, seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        order = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in order:
            port, request = ways[name][0], request_of(ways[name])
            one = load(port, request, rate, seconds)
            capacity = load(port, request, 0, seconds / 2)
            one["capacity_per_s"] = capacity["capacity_per_s"]
            one["failed"] += capacity["failed"]
            found[name].append(one)
    medians = {
        name: {key: round(statistics.median(one[key] for one in rows), 3) for key in rows[0]}
        for name, rows in found.items()
    }
    if "gateway" in medians:
        ours = medians["gateway"]
        for name, theirs in medians.items():
            if name != "gateway":
                theirs["throughput_ratio"] = round(
                    ours["capacity_per_s"] / theirs["capacity_per_s"], 3
                )
                theirs["p99_ratio"] = round(ours["p99_ms"] / theirs["p99_ms"], 3)
                theirs["p50_ratio"] = round(ours["p50_ms"] / theirs["p50_ms"], 3)
    return medians


if __name__ == "__main__":
    main()
