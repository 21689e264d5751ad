"""How soon the page Queue is drawn with 200 waiting jobs of nine projects.

    python -m benchmarks.queue_page [--jobs 200] [--visits 20]

Serves the dashboard alone on a home of its own, whose mirror holds the queue of the tests' seed,
and goes there and back in Chromium. A visit counts from the click until nothing runs, nothing is
stale and two frames were drawn. The bound: 300 ms. Beside it: what a tab costs that stays open.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks import hardware_page
from benchmarks.navigation import FLAGS, IDLE, Traffic, sign_in
from services.home import Home
from services.settings import Settings
from tests import queue_seed, seed

BOUND_MS = 300.0
_KEEP_S = 1.0
_OTHER = "Projects"


def keep_deciding(url: str, over: threading.Event) -> None:
    """Decide the same again every second, as the controller does."""
    while not over.wait(_KEEP_S):
        queue_seed.keep_deciding(url)


def visits(page: Page, traffic: Traffic, count: int) -> None:
    """Go to the page and away from it again, and print what it took."""
    taken, sizes = [], []
    for _ in range(count + 1):
        page.evaluate(IDLE, _OTHER)
        page.wait_for_timeout(300)
        before = traffic.received
        taken.append(float(page.evaluate(IDLE, "Queue")))
        sizes.append((traffic.received - before) / 1000)
        page.wait_for_timeout(300)
    times = sorted(taken[1:])
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    figures = (taken[0], statistics.median(times), p95, times[-1])
    print(f"{'first':>8}{'p50':>8}{'p95':>8}{'max':>8} ms   bound {BOUND_MS:.0f}")
    print(f"{''.join(f'{figure:8.0f}' for figure in figures)}      {max(sizes):.0f} kB at most")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="of one window of an open tab")
    parser.add_argument("--port", type=int, default=18603)
    parser.add_argument("--chromium", default=os.environ.get("MLOPS_CHROMIUM", "chromium"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlops-queue-"))
    os.environ["MLOPS_HOME"] = str(folder)
    home, over = Home.locate(), threading.Event()
    hardware_page.prepare(home)
    url = Settings().mirror_url
    seed.fill(url)
    queue_seed.fill(url, waiting=options.jobs, past=400)
    decider = threading.Thread(target=keep_deciding, args=(url, over))
    decider.start()
    try:
        with hardware_page.serving(home, options.port) as process, sync_playwright() as playwright:
            path = shutil.which(options.chromium)
            idle = statistics.median(
                hardware_page.share(process, None, options.seconds / 2) for _ in range(3)
            )
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 960})
            traffic = Traffic()
            page.on("websocket", traffic.watch)
            sign_in(page, f"http://127.0.0.1:{options.port}", hardware_page.PASSWORD)
            visits(page, traffic, options.visits)
            page.evaluate(IDLE, "Queue")
            page.wait_for_timeout(3_000)
            taken = [hardware_page.share(process, page, options.seconds) for _ in range(3)]
            cost = statistics.median(taken) - idle
            print(f"an open tab takes {cost:.2f} % of a core (bound 1.5), without one: {idle:.2f}")
            browser.close()
    finally:
        over.set()
        decider.join()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
