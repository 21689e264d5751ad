"""What the live Hardware page costs the dashboard, with one tab open and with ten.

    .venv/bin/python -m benchmarks.hardware_page [--hosts 4] [--tabs 1 10] [--seconds 20]
        [--windows 3] [--page "hardware?host=mac-0"]

Serves the dashboard alone on a home of its own, whose telemetry this process feeds every two
seconds as samplers do (not counted), and opens the list of machines in Chromium. Counted is the CPU
time of the dashboard's process while nobody touches the tabs, less what it takes without a tab.
The bound: 1.5 % of a core a tab, held against the median of several windows: other work on the
machine makes single ones dearer. ``kB/s`` is what the server sends a tab.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import httpx
import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks.navigation import FLAGS, Traffic, sign_in
from services.access import store as accounts
from services.actions.journal import Journal
from services.engines.silicon.models import METRICS, CoreTier, Machine, ProcessUse, Reading, Sample
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store as MirrorStore
from services.settings import Settings
from services.telemetry.store import Store

ROOT = Path(__file__).resolve().parent.parent
STEP_S = 2.0
BOUND = 1.5
PASSWORD = "only for this benchmark"  # noqa: S105 - of a home that is thrown away
_MACHINE = Machine(
    "mac", "Apple M3 Max", apple_silicon=True, os="macOS 27.0", gpu_cores=40,
    tiers=(CoreTier("performance", 12), CoreTier("efficiency", 4)), memory_bytes=64 * 2**30,
)  # fmt: skip


def sample(host: str, at: datetime) -> Sample:
    """Return a sample with every figure there is, all of them moving."""
    wave = (at.timestamp() % 97) / 97
    readings = tuple(
        Reading(name, 1.0 if metric.unit in {"level", "flag"} else wave * _scale(metric.unit),
                "measured", "benchmark", window_s=STEP_S)
        for name, metric in METRICS.items()
    )  # fmt: skip
    uses = tuple(
        ProcessUse(pid, 1.0, "python", f"run:{pid:032x}", f"project-{pid}", cpu_s=wave, gpu_s=wave,
                   memory_bytes=10**9, mlx_active_bytes=10**8, mlx_peak_bytes=10**9)
        for pid in range(1, 5)
    )  # fmt: skip
    return Sample(host, at, STEP_S, readings, uses)


def _scale(unit: str) -> float:
    return {"ratio": 1.0, "bytes": 6e10, "bytes/s": 1e8, "MHz": 4000.0, "rpm": 4000.0}.get(unit, 90)


def feed(folder: Path, hosts: list[str], over: threading.Event) -> None:
    """Write ten minutes of samples, then one every two seconds."""
    store = Store(folder, merge_in_background=False)
    for host in hosts:
        store.introduce(replace(_MACHINE, host=host), ())
        now = datetime.now(UTC)
        for number in range(300, 0, -1):
            store.append(sample(host, now - timedelta(seconds=number * STEP_S)))
    while not over.wait(STEP_S):
        for host in hosts:
            store.append(sample(host, datetime.now(UTC)))
    store.close()


@contextlib.contextmanager
def serving(home: Home, port: int) -> Iterator[psutil.Process]:
    """Serve the dashboard; yield its process."""
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client' / 'src'}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard.serve", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | paths | {"MLOPS_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=2)
                break
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=15)


def spent_s(process: psutil.Process) -> float:
    """Return the CPU seconds of the dashboard so far."""
    times = process.cpu_times()
    return times.user + times.system


def share(process: psutil.Process, page: Page | None, seconds: float) -> float:
    """Return the share of a core, in percent, that the dashboard takes from now on."""
    before, begun = spent_s(process), time.monotonic()
    if page is None:
        time.sleep(seconds)
    else:
        page.wait_for_timeout(seconds * 1000)  # the browser's messages are taken meanwhile
    return 100 * (spent_s(process) - before) / (time.monotonic() - begun)


def measure(
    context: BrowserContext,
    process: psutil.Process,
    address: str,
    tabs: list[int],
    windows: tuple[int, float],
) -> None:
    """Open ever more tabs and print a row for each number of them: the median of the windows."""
    count_of, seconds = windows
    idle = statistics.median(share(process, None, seconds / 4) for _ in range(count_of))
    print(f"{'tabs':>5}{'% of a core':>13}{'a tab':>8}{'bound':>7}{'kB/s a tab':>12}")
    print(f"{0:5}{idle:13.2f}")
    pages: list[Page] = []
    traffic = Traffic()
    for count in tabs:
        while len(pages) < count:
            page = context.new_page()
            page.on("websocket", traffic.watch)
            page.goto(address)
            page.get_by_text("Do this from the command line").first.wait_for()
            pages.append(page)
        pages[0].wait_for_timeout(5_000)
        before = traffic.received
        taken = statistics.median(share(process, pages[0], seconds) for _ in range(count_of))
        sent = (traffic.received - before) / 1000 / (seconds * count_of) / count
        print(f"{count:5}{taken:13.2f}{(taken - idle) / count:8.2f}{BOUND:7.1f}{sent:12.1f}")


def prepare(home: Home) -> None:
    """Make an empty mirror and one account."""
    home.create()
    settings = Settings()
    engine, _ = schema.prepare(settings.mirror_url)
    MirrorStore(engine).write_engine("controller", "Controller", "live")
    engine.dispose()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    accounts.insert(Journal.open(settings), "admin", hashed, "admin", None)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--tabs", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--seconds", type=float, default=20.0, help="of one window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--port", type=int, default=18601)
    parser.add_argument("--page", default="hardware", help="another address, e.g. hardware?host=…")
    parser.add_argument("--chromium", default=os.environ.get("MLOPS_CHROMIUM", "chromium"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlops-hardware-"))
    os.environ["MLOPS_HOME"] = str(folder)
    home, over = Home.locate(), threading.Event()
    prepare(home)
    hosts = [f"mac-{number}" for number in range(options.hosts)]
    feeder = threading.Thread(target=feed, args=(home.telemetry, hosts, over))
    feeder.start()
    try:
        with serving(home, options.port) as process, sync_playwright() as playwright:
            path = shutil.which(options.chromium)
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            context = browser.new_context(viewport={"width": 1440, "height": 960})
            url = f"http://127.0.0.1:{options.port}"
            first = context.new_page()
            sign_in(first, url, PASSWORD)
            first.close()
            windows = options.windows, options.seconds
            measure(context, process, f"{url}/{options.page}", options.tabs, windows)
            browser.close()
    finally:
        over.set()
        feeder.join()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
