"""What the sampler costs: its share of a core and its memory, over some minutes.

python -m benchmarks.sampler [--minutes 5] [--agents 0]

The sampler runs as the supervisor starts it, in a home of its own, beside a few tagged processes.
``--agents`` other machines report in as well (their samples are this machine's under other names).
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import psutil

from benchmarks.telemetry_data import Mac
from services.engines.silicon.chain import Host
from services.home import Home
from services.platform import engines
from services.platform.ports import choose
from services.platform.state import EngineState, PlatformState
from services.process_identity import Identity
from services.settings import Settings
from services.telemetry import batches, tokens
from services.telemetry.collector import Collector
from services.telemetry.folder import Retention
from services.telemetry.presence import FOLDER

_WARM_S = 10.0
_TAGGED = 6
_ENGINES = 4
_SLEEPER = "import time; time.sleep(36000)"


@contextlib.contextmanager
def sampler(home: Home) -> Iterator[tuple[psutil.Process, int]]:
    settings = Settings()
    port = choose(home, {"telemetry": settings.telemetry_port})["telemetry"]
    spec = engines.telemetry(home, settings, {"telemetry": port})
    environment = spec.environment(home, "") | {"MLOPS_HOME": str(home.root)}
    with (home.logs / "telemetry.log").open("ab") as log:
        process = subprocess.Popen(spec.argv, env=environment, cwd=spec.cwd, stderr=log)
    try:
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def work(home: Home) -> Iterator[None]:
    """Give the sampler tagged processes and engines to follow."""
    folder = home.run / FOLDER
    folder.mkdir()
    started = [
        subprocess.Popen([sys.executable, "-c", _SLEEPER]) for _ in range(_TAGGED + _ENGINES)
    ]
    time.sleep(1)
    found = [Identity(p.pid, psutil.Process(p.pid).create_time()) for p in started]
    for one in found[:_TAGGED]:
        said = {
            "pid": one.pid,
            "started_at": one.created,
            "owner": f"run:{one.pid}",
            "project": "p",
        }
        (folder / f"{one.pid}.json").write_text(json.dumps(said))
    states = tuple(EngineState(f"e{one.pid}", leader=one) for one in found[_TAGGED:])
    (home.run / "state.json").write_text(json.dumps(PlatformState(engines=states).document()))
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def report_in(home: Home, port: int, number: int, ended: threading.Event) -> None:
    host = Host.here(home.root)
    machine = replace(host.machine, host=f"mac-{number}")
    token = tokens.make(home.secrets / tokens.FOLDER, machine.host)
    collector = Collector(f"http://127.0.0.1:{port}", token)
    while not ended.wait(2.0):
        sample = replace(host.sample(datetime.now(UTC)), host=machine.host)
        collector.send(batches.pack(machine, host.providers(), [batches.encode(sample)]))


def scrape(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 200
    connection.close()


def hourly_merge(hosts: int) -> float:
    """Return the CPU seconds of the process that the sampler starts when an hour is over."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        hour = int(time.time()) // 3600 * 3600 - 3600
        for number in range(hosts):
            mac = Mac(number, hour)
            opened = root / f"mac-{number}" / "open"
            opened.mkdir(parents=True)
            data = next(mac.segments(mac.hours(1)))
            (opened / "0000000001-aaaaaaaaaaaa.log").write_bytes(data)
        asked = {"folder": folder, "keep": asdict(Retention()), "lost_after_s": 60.0}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = [sys.executable, "-m", "services.telemetry.compaction", json.dumps(asked)]
        subprocess.run(program, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert len(list(root.glob("mac-*/full/*.blk"))) == hosts
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(process: psutil.Process, port: int, minutes: float, hosts: int) -> None:
    began, before = time.monotonic(), process.cpu_times()
    peak = 0
    while (took_s := time.monotonic() - began) < minutes * 60:
        time.sleep(5)
        peak = max(peak, process.memory_info().rss)
        if int(took_s) % 15 < 5:
            scrape(port)
    now = process.cpu_times()
    cpu_s = now.user + now.system - before.user - before.system
    merge_s = hourly_merge(hosts)
    whole = cpu_s / took_s + merge_s / 3600
    print(f"over {took_s:.0f} s, scraped every 15 s:")
    print(f"  CPU             {cpu_s / took_s:.2%} of one core ({cpu_s:.2f} s)")
    print(f"  hourly merge    {merge_s / 3600:.2%} of one core ({merge_s:.2f} s, {hosts} machines)")
    print(f"  together        {whole:.2%} of one core              bound 1 %")
    print(f"  memory (RSS)    {peak / 1e6:.1f} MB at most            bound 60 MB")
    with contextlib.suppress(psutil.Error):
        print(f"  memory (PSS)    {process.memory_full_info().pss / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--agents", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.create()
        os.environ["MLOPS_HOME"] = str(home.root)
        ended = threading.Event()
        with work(home), sampler(home) as (process, port):
            time.sleep(_WARM_S)
            agents = [
                threading.Thread(target=report_in, args=(home, port, n, ended), daemon=True)
                for n in range(asked.agents)
            ]
            for agent in agents:
                agent.start()
            time.sleep(_WARM_S if agents else 0)
            processes = len(psutil.pids())
            print(f"{_TAGGED} tagged processes, {_ENGINES} engines, {processes} processes in all,")
            print(f"{asked.agents} agents; {psutil.cpu_count()} cores;", end=" ")
            measure(process, port, asked.minutes, asked.agents + 1)
            ended.set()
            for agent in agents:
                agent.join()
            print(f"  it says: {json.loads((home.run / 'telemetry.json').read_bytes())['detail']}")


if __name__ == "__main__":
    main()
