"""The prediction log at size: the cost of a record, kills, questions to a million predictions.

    .venv/bin/python -m benchmarks.prediction_log [--rows 1000000] [--kills 20] [--only PART…]

Parts: ``append`` (µs a record), ``drill`` (writers and compactors killed while as many predictions
are acknowledged), ``questions`` (what readers take, of segments and of Parquet; memory of the
compactor). Each part has a home of its own.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence  # noqa: TC003
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from services.home import Home
from services.predictions import monitoring, reading
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.serving.models import Privacy  # noqa: TC001
from tests.services.predictions import drill

FEATURES = 18
"""Beside the label and its confidence."""


def record(rng: random.Random, at: float, features: int = FEATURES, **changes: object) -> Record:
    inputs = {f"f{number}": [rng.random()] for number in range(features)}
    outputs = {"label": [rng.choice("abc")], "confidence": [rng.random()]}
    said: dict[str, Any] = {
        "latency_ms": rng.lognormvariate(1.0, 0.5), "model_ms": 0.5, "queue_ms": 0.1,
        "backend": "mlx", "host": "studio", "host_state": {"thermal": 0}, "energy_j": 0.01,
        "inputs": inputs, "outputs": outputs, "version": 3,
        "status": 500 if rng.random() < 0.01 else 200,
    }  # fmt: skip
    request_id = f"{int(at * 1000):012x}7{rng.getrandbits(76):019x}"
    return Record(request_id, at, "bench", "model", api="oip", **{**said, **changes})


def append(home: Home, count: int) -> None:
    print(f"append, {count:,} records each: µs of CPU of the thread, and of the clock")
    rng = random.Random(1)  # noqa: S311  no secret
    pixels = {"pixels": np.random.default_rng(1).random((1, 784), dtype=np.float32)}
    cases: Sequence[tuple[str, Record, Privacy]] = (
        ("2 columns in, 2 out", record(rng, time.time(), 2), "full"),
        (f"{FEATURES} columns in, 2 out", record(rng, time.time()), "full"),
        (f"{FEATURES} columns in, hashed", record(rng, time.time()), "hash"),
        ("no columns", record(rng, time.time()), "off"),
        ("784 pixels (array) in", record(rng, time.time(), inputs=pixels), "full"),
    )
    for title, one, privacy in cases:
        log = PredictionLog.open(home, "bench")
        cpu, wall = [], []
        for _ in range(count):
            began, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
            log.append(one, privacy=privacy)
            cpu.append(time.thread_time_ns() - began_cpu)
            wall.append(time.perf_counter_ns() - began)
        size = sum(path.stat().st_size for path in Folder(home).segments()) / count
        log.close()
        for path in Folder(home).segments():
            path.unlink()
        print(f"  {title:26} CPU {_quantiles(cpu)}   clock {_quantiles(wall)}   {size:6.0f} bytes")


def _quantiles(times_ns: list[int]) -> str:
    ordered = sorted(times_ns)
    shown = (f"{ordered[int(len(ordered) * q)] / 1000:7.1f}" for q in (0.5, 0.99, 0.999))
    return " ".join(f"{name}{value}" for name, value in zip(("p50", "p99", "p999"), shown))  # noqa: B905


def kills(home: Home, rows: int, number: int) -> bool:
    began = time.monotonic()
    outcome = drill.run(home, rows, number)
    print(
        f"drill, {time.monotonic() - began:.0f} s: {outcome.acknowledged:,} acknowledged; "
        f"{outcome.writers_killed} writers and {outcome.compactors_killed} compactors killed, "
        f"{outcome.compactions} compactions ended\n"
        f"  lost {outcome.lost}, doubled {outcome.doubled}, written and not acknowledged "
        f"{outcome.more}; {outcome.looks} looks meanwhile, {len(outcome.wrong_looks)} missed any"
    )
    return not (outcome.lost or outcome.doubled or outcome.wrong_looks)


def questions(home: Home, rows: int) -> None:
    now = time.time()
    rng = random.Random(1)  # noqa: S311  no secret
    log = PredictionLog.open(home, "bench")
    began = time.monotonic()
    for number in range(rows):
        at = now - 6 * 3600 * (1 - number / rows)
        log.append(record(rng, at, version=3 + (number > rows // 2)))
    log.close()
    size = sum(path.stat().st_size for path in Folder(home).segments())
    print(f"{rows:,} predictions of {FEATURES + 2} columns, {size / 1e6:.0f} MB in segments")
    began = time.monotonic()
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "services.predictions.compaction",
             orjson.dumps({"home": str(home.root), "days": 30, "all_labels": False}).decode()],
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        if not orjson.loads(done.stdout)["merged"]:
            break
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    folder = Folder(home)
    for name, partitions in (("predictions", folder.rows()), ("typed", folder.features())):
        kept = [path.stat().st_size for one in partitions for path in one.files()]
        print(f"  {name:14} {sum(kept) / 1e6:6.0f} MB of Parquet in {len(kept)} files")
    print(f"  put into Parquet in {took:.0f} s, at most {peak:.0f} MB of memory")
    _ask(home, now)
    log = PredictionLog.open(home, "bench")
    for number in range(20_000):
        log.append(record(rng, now + number / 1000))
    print("and 20,000 more in an open segment")
    _ask(home, now + 20)
    log.close()


def _ask(home: Home, now: float) -> None:
    p, m = "bench", "model"
    asked: Sequence[tuple[str, Callable[[], object]]] = (
        ("count, ids once", lambda: reading.count(home, p, m)),
        ("series of 6 h by minute", lambda: reading.series(home, p, m, now - 21600, now, 60)),
        ("series of 10 min by 10 s", lambda: reading.series(home, p, m, now - 600, now, 10)),
        ("by version", lambda: reading.by_version(home, p, m)),
        ("by version, 10 min", lambda: reading.by_version(home, p, m, now - 600)),
        ("newest 50", lambda: reading.recent(home, p, m)),
        ("one by id", lambda: reading.one(home, reading.recent(home, p, m, limit=1)[0].id)),
        ("2 columns of all", lambda: monitoring.features(home, p, m, names=_NAMES)),
        ("all 20 columns of all", lambda: monitoring.features(home, p, m)),
        ("20 columns of 10 min", lambda: monitoring.features(home, p, m, since=now - 600)),
    )
    for title, ask in asked:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        print(f"  {title:26} first {times[0]:7.1f} ms, then {statistics.median(times[1:]):7.1f} ms")


_NAMES = ("input.f1", "output.label")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=["append", "drill", "questions"])
    parser.add_argument("--in", dest="folder", type=Path, help="where the homes are made")
    asked = parser.parse_args()
    well = True
    for part in asked.only:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            home = Home(Path(folder))
            if part == "append":
                append(home, min(asked.rows, 100_000))
            elif part == "drill":
                well = kills(home, asked.rows, asked.kills) and well
            else:
                questions(home, asked.rows)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
