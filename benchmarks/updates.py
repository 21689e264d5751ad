"""Updates and kills under load: how many requests fail, and how long the longest gap is.

    python -m benchmarks.updates [--good 50 --bad 20 --kills 5 --rate 400]

A home of its own with the serving engine on a real Ray, the gateway and the prediction log; a small
MLX model in many versions. Requests come open-loop at a steady rate all the while. Bounds: 50 good
updates under at least 100,000 requests without a failed one, longest gap 500 ms; 20 bad ones (of
four kinds) without a failed one, back within 30 s; killed model server back within 10 s, killed
head of Ray within 60 s.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from benchmarks.load import Load, table
from services.predictions import reading
from services.serving import store
from services.serving.models import Guards
from tests.live import eventually
from tests.services.serving import lab as labs

BAD = ("constructor", "crash", "warm-up", "nan")
WARM_S = 2.0
QUIET_S = 3.0


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=50)
    parser.add_argument("--bad", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second")
    parser.add_argument("--watch", type=float, default=1.0, help="seconds each update is watched")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        labs.running(Path(folder)) as lab,
        gateway(lab) as url,
        key(lab) as secret,
    ):
        lay(lab, given.good, given.bad)
        lab.deploy(1, watch_s=0.5)
        lab.live(1)
        drill(lab, url, secret, given)


def lay(lab: labs.Lab, good: int, bad: int) -> None:
    """Lay the bundles of all versions: 1, then the good ones, then the bad ones."""
    for version in range(1, good + 2):
        labs.lay_bundle(lab.home, version, factor=float(version))
    for number in range(bad):
        labs.lay_bundle(lab.home, good + 2 + number, way=BAD[number % len(BAD)])


@contextlib.contextmanager
def gateway(lab: labs.Lab) -> Iterator[str]:
    """Run the gateway and the engine of the prediction log; yield the gateway's address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (lab.home.logs / "gateway.log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", *words],
                cwd=labs.ROOT, env=lab.variables(), stdout=log, stderr=log,
            )
            for words in (("services.gateway", "--port", str(port)), ("services.predictions",))
        ]  # fmt: skip
    try:
        eventually(lambda: _answers(url))
        yield url
    finally:
        for one in processes:
            one.terminate()
            one.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def key(lab: labs.Lab) -> Iterator[str]:
    """Make an API key without narrow limits."""
    key_id, secret, hashed = store.new_key()
    made = store.ApiKey(
        key_id, labs.PROJECT, "load", hashed, None, 1e6, 10_000, time.time(), "benchmark"
    )
    store.add_key(lab.journal, made)
    time.sleep(1.0)  # the gateway has seen it
    yield secret


@contextlib.contextmanager
def loaded(url: str, secret: str, rate: float) -> Iterator[Load]:
    """Ask all the while, from a thread with a loop of its own."""
    load = Load(
        f"{url}/predict/{labs.PROJECT}/{labs.MODEL}",
        b'{"columns": {"x": [[1.0, 2.0]]}}',
        {"Authorization": f"Bearer {secret}"},
    )
    ended, ready = threading.Event(), threading.Event()

    async def go() -> None:
        until = asyncio.Event()

        async def watch() -> None:
            while not ended.is_set():
                await asyncio.sleep(0.05)
            until.set()

        ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            group.create_task(load.run(rate, until))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, go())
        ready.wait(10)
        try:
            time.sleep(WARM_S)
            yield load
        finally:
            time.sleep(QUIET_S)
            ended.set()
            running.result(120)


def drill(lab: labs.Lab, url: str, secret: str, given: argparse.Namespace) -> None:
    """Update, update badly, kill; print what was seen of each."""
    good_s, bad_s, back = [], [], []
    with loaded(url, secret, given.rate) as load:
        for version in range(2, given.good + 2):
            began = time.monotonic()
            lab.deploy(version, watch_s=given.watch)
            ended = lab.ended(version).rollout
            assert ended is not None
            if ended.outcome != "live":
                back.append(f"version {version} {ended.outcome}: {ended.said}")
            good_s.append(time.monotonic() - began)
    say(f"{given.good} good updates", load, good_s)
    for one in back:
        print(f"  {one}")
    with loaded(url, secret, given.rate) as load:
        for number in range(given.bad):
            version = given.good + 2 + number
            began = time.monotonic()
            lab.deploy(version, watch_s=given.watch, guards=Guards())
            outcome = lab.ended(version).rollout
            assert outcome is not None
            assert outcome.outcome != "live", outcome
            bad_s.append(time.monotonic() - began)
    say(f"{given.bad} bad updates", load, bad_s)
    for name, victim in (
        ("model server", lambda: lab.server()),
        ("gcs_server", lambda: _ray(lab, "gcs_server")),
        ("raylet", lambda: _ray(lab, "raylet")),
    ):
        back_s = []
        with loaded(url, secret, given.rate) as load:
            for _ in range(given.kills if name == "model server" else 1):
                gone = victim()
                gone.kill()
                began = time.monotonic()
                with contextlib.suppress(psutil.TimeoutExpired):
                    gone.wait(10)
                eventually(lambda gone=gone: _well(lab, gone), 120)
                back_s.append(time.monotonic() - began)
                time.sleep(2.0)
        say(f"kill -9 of the {name}", load, back_s)
    logged = eventually(lambda: _logged(lab))
    print(table([("predictions in the log", f"{logged:,}")]))


def _logged(lab: labs.Lab) -> int:
    return int(reading.count(lab.home, labs.PROJECT, labs.MODEL))


def _ray(lab: labs.Lab, name: str) -> psutil.Process:
    assert lab.process is not None
    family = psutil.Process(lab.process.pid).children(recursive=True)
    return next(one for one in family if name in one.name())


def _well(lab: labs.Lab, gone: psutil.Process) -> bool:
    """Return whether all that is wanted answers again, and not from the process that was killed."""
    now = lab.status()
    if now is None or now.phase != "live":
        return False
    ready = [one for version in now.versions for one in version.replicas if one.state == "ready"]
    return bool(ready) and all(one.pid != gone.pid for one in ready) and _ray_is_well(lab)


def _ray_is_well(lab: labs.Lab) -> bool:
    from services.serving import status

    found = status.read(lab.home)
    return found is not None and not found.ray and not found.stale()


def say(title: str, load: Load, seconds: list[float]) -> None:
    """Print what was seen of one part."""
    seen = load.seen
    rows = [
        ("requests", f"{seen.asked:,}, {seen.failed} failed, {len(seen.versions)} versions"),
        ("longest gap", f"{seen.longest_gap_ms:.0f} ms"),
        ("p50 / p99", f"{seen.quantile(0.5):.1f} / {seen.quantile(0.99):.1f} ms"),
        ("each took", f"{min(seconds):.1f} to {max(seconds):.1f} s" if seconds else "nothing"),
    ]
    print(f"\n{title}\n{table(rows)}", flush=True)
    for fault in seen.faults:
        print(f"  {fault}")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Ray's client threads would hold the process up
