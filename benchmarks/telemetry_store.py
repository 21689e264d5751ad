"""The telemetry store at size: disk, charts, first questions, the cost of a sample.

    .venv/bin/python -m benchmarks.telemetry_store [--hosts 10] [--days 30] [--home FOLDER]

Writes the segments that a sampler would have written (realistic loads, see ``telemetry_data``), has
them merged and forgotten as in life, then asks. ``--home`` keeps the data and asks again next time.
With fewer days the disk figure is what these days take; days beyond the retention cost the least.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.telemetry_data import Mac
from services.engines.silicon.models import METRICS, Machine, ProviderState, Sample
from services.telemetry import machines
from services.telemetry.compaction import Compactor
from services.telemetry.folder import DAY_S, WINDOWS, HostFolder, Retention, slug
from services.telemetry.rows import SegmentReader
from services.telemetry.shapes import moment, process_use, restored
from services.telemetry.store import Store

POINTS = 600
START_S = 1_793_664_000
PROVIDERS = (ProviderState("macmon", "0.8.2", usable=True, gives=tuple(METRICS)),)


def machine(host: str) -> Machine:
    return Machine(host, "Apple M4 Pro", apple_silicon=True, os="macOS 26.1", memory_bytes=48 << 30)


def fill(root: Path, hosts: int, days: int) -> None:
    """Write days of telemetry, a day at a time, as samplers and mergers do."""
    now_s = START_S + days * DAY_S
    began = time.perf_counter()
    for number in range(hosts):
        folder = HostFolder(root / slug(f"mac-{number}"))
        machines.write(folder, machine(f"mac-{number}"), PROVIDERS)
        opened = folder.path / "open"
        opened.mkdir()
        mac = Mac(number, START_S)
        merger = Compactor(folder, Retention(), 60.0)
        for day in range(days):
            for hour, data in enumerate(mac.segments(mac.hours(24))):
                name = f"{hour + 1:010d}-{day:06x}{hour:06x}.{'open' if hour == 23 else 'log'}"
                (opened / name).write_bytes(data)
            if day < days - 1:  # the last hour is still being written
                last = next(iter(folder.segments(".open")))
                last.rename(last.with_suffix(".log"))
            # As on that day; the whole span is kept until it has passed.
            merger.run(min(now_s, START_S + (day + 1) * DAY_S))
        print(f"  {number + 1}/{hosts} hosts, {time.perf_counter() - began:.0f} s", flush=True)


def sizes(root: Path, days: int) -> None:
    total = 0
    for kind in (*WINDOWS, "open"):
        size = sum(path.stat().st_size for path in root.glob(f"*/{kind}/*"))
        total += size
        print(f"  {kind:10} {size / 1e6:8.1f} MB")
    print(f"  {'together':10} {total / 1e6:8.1f} MB for {days} days  (at most 500 for 30 of 10)")


def questions(hosts: int, days: int, seed: int) -> Iterator[tuple[str, list[str], int, int]]:
    """Yield host, metrics, begin and end: any set, from a minute to everything, anywhere."""
    rng = random.Random(seed)  # noqa: S311 - which questions, not a secret
    names, span = list(METRICS), days * DAY_S
    while True:
        length = int(60 * (span / 60) ** rng.random())
        end = START_S + rng.randint(length, span) if rng.random() < 0.5 else START_S + span
        wanted = rng.sample(names, rng.choice([1, 2, 4, 8, len(names)]))
        yield f"mac-{rng.randrange(hosts)}", wanted, end - length, end


def ask(store: Store, question: tuple[str, list[str], int, int]) -> float:
    host, metrics, begin, end = question
    times = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    before = time.perf_counter()
    found = store.series(host, metrics, *times, points=POINTS)
    took = time.perf_counter() - before
    assert len(found) == len(metrics)
    assert all(len(series.times) <= POINTS for series in found)
    return took * 1000


def spread(name: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(
        f"  {name:52} p50 {statistics.median(ordered):6.1f}  p95 {p95:6.1f}  "
        f"max {ordered[-1]:6.1f} ms"
    )


def charts(root: Path, hosts: int, days: int, count: int) -> None:
    end = START_S + days * DAY_S
    clock = lambda: datetime.fromtimestamp(end, UTC)  # noqa: E731
    store = Store(root, now=clock)
    asked = questions(hosts, days, 1)
    spread("any chart, a process at work", [ask(store, next(asked)) for _ in range(count)])
    everything = list(METRICS)
    for name, length in (
        ("10 min", 600), ("1 h", 3600), ("5 h", 18_000), ("1 day", DAY_S), ("2 days", 2 * DAY_S),
        ("7 days", 7 * DAY_S), ("all", days * DAY_S),
    ):  # fmt: skip
        took = [
            ask(Store(root), (f"mac-{n % hosts}", everything, end - min(length, days * DAY_S), end))
            for n in range(10)
        ]
        spread(f"all {len(everything)} metrics, the last {name}, nothing kept in memory", took)
    took = []
    for _ in range(10):
        before = time.perf_counter()
        store.hosts()
        took.append((time.perf_counter() - before) * 1000)
    spread(f"the list of {hosts} hosts, first {took[0]:.1f} ms", took[1:])


FIRST = """
import json, sys, time
import numpy  # the dashboard has it loaded
numpy_at = time.perf_counter()
from pathlib import Path
from benchmarks.telemetry_store import ask
from services.telemetry.store import Store
store = Store(Path(sys.argv[1]))
loaded_at = time.perf_counter()
import services.telemetry.reading
read_at = time.perf_counter()
took = ask(store, json.loads(sys.argv[2]))
print(json.dumps([took, took + (read_at - loaded_at) * 1000]))
"""


def firsts(root: Path, hosts: int, days: int, count: int) -> None:
    asked = questions(hosts, days, 2)
    took = []
    for _ in range(count):
        arguments = [sys.executable, "-c", FIRST, str(root), json.dumps(next(asked))]
        done = subprocess.run(arguments, check=True, capture_output=True)
        took.append(json.loads(done.stdout))
    spread("any chart, a process's first question", [first for first, _ in took])
    spread("the same with loading the reading side", [second for _, second in took])


def samples_of_an_hour(root: Path) -> list[Sample]:
    """Return an hour of samples as a sampler makes them."""
    mac = Mac(99, START_S)
    hours = mac.hours(1)
    data = next(mac.segments(hours))
    path = root / "0000000001-aa.log"
    path.write_bytes(data)
    reader = SegmentReader(path)
    reader.refresh()
    rows = reader.ordered()
    said = rows.shapes[0].said
    found = []
    now_us = int(time.time()) // 3600 * 3_600_000_000
    for row, at_us in enumerate(rows.times.tolist()):
        window = float(rows.windows[row]) / 1000
        readings = [restored(one, int(rows.values[one.metric][row]), window) for one in said]
        uses = np.flatnonzero(rows.use_row == row).tolist()
        processes = [process_use(rows.who[rows.use_who[n]], rows.use[n].tolist()) for n in uses]
        at = moment(now_us - 3_600_000_000 + at_us - int(rows.times[0]))
        found.append(Sample("mac-w", at, window, tuple(readings), tuple(processes)))
    path.unlink()
    return found


def appending(root: Path) -> None:
    samples = samples_of_an_hour(root)
    store = Store(root, merge_in_background=False)
    store.introduce(machine("mac-w"), PROVIDERS)
    took = []
    for sample in samples:
        before = time.process_time_ns()
        store.append(sample)
        took.append((time.process_time_ns() - before) / 1e6)
    processes = statistics.mean(len(sample.processes) for sample in samples)
    spread(f"a sample ({len(METRICS)} readings, {processes:.0f} processes), CPU", took)
    print(f"  {'mean':52} {statistics.mean(took):10.3f} ms CPU  (at most 0.5)")
    store.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    merging = Store(root)
    merging.append(samples[-1])
    merging.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(f"  {'merging an hour of one host, once an hour':52} {cpu:10.2f} s CPU")


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from services.engines.silicon.models import METRICS, Reading, Sample
from services.telemetry.store import Store
def resident():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024
import orjson
before = resident()
store = Store(Path(sys.argv[1]), merge_in_background=False)
readings = tuple(Reading(name, 1.5, "measured", "macmon") for name in METRICS)
for _ in range(2000):
    store.append(Sample("mac-r", datetime.now(UTC), 2.0, readings))
store.close()
heavy = sorted({"numpy", "pyarrow", "pandas", "duckdb", "pydantic"} & set(sys.modules))
print(f"{resident():.1f} MB, {resident() - before:.1f} of it by writing; heavy ones: {heavy}")
"""


def memory(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(root)], check=True, capture_output=True, text=True
    )
    print(f"  a process that only writes: {done.stdout.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--charts", type=int, default=400)
    parser.add_argument("--firsts", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.home or Path(temporary) / "telemetry"
        root.mkdir(parents=True, exist_ok=True)
        print("Appending")
        with tempfile.TemporaryDirectory() as apart:
            appending(Path(apart))
            memory(Path(apart))
        if not list(root.glob("mac-*")):
            print(f"Writing {given.days} days of {given.hosts} hosts")
            fill(root, given.hosts, given.days)
        print("On disk")
        sizes(root, given.days)
        print(f"Charts of {POINTS} points")
        charts(root, given.hosts, given.days, given.charts)
        firsts(root, given.hosts, given.days, given.firsts)


if __name__ == "__main__":
    main()
