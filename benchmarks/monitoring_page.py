"""How soon the page Monitoring is drawn with 30 deployments that were checked hourly for 30 days.

    .venv/bin/python -m benchmarks.monitoring_page [--deployments 30] [--days 30] [--visits 20]

Serves the dashboard alone on a home of its own and goes to the matrix and back in Chromium. Each of
them has a prediction log of those days, of which the matrix counts its objectives. A visit counts
from the click until nothing runs, nothing is stale and two frames were drawn. The bound: 300 ms.
Beside it: the first visit after another check was kept, when the index is read anew; the way from
the matrix to a deployment, where one file is read; and what a tab costs that stays open.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks import hardware_page, objectives
from benchmarks.navigation import FLAGS, IDLE, Traffic, sign_in
from services.actions.journal import Journal
from services.home import Home
from services.monitoring.store import VerdictStore
from services.serving import figures, status, store
from services.serving.figures import Figures, VersionFigures
from services.serving.models import Endpoint, EndpointStatus, Target, VersionStatus
from services.serving.status import ServingStatus
from services.settings import Settings
from tests import monitoring_seed, seed

BOUND_MS = 300.0
_OTHER, _PAGE = "Projects", "Monitoring"
_ARRIVES = """([link, heading]) => new Promise(done => {
  const state = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState;
  const settled = () => state() === 'notRunning'
    && document.querySelector('h1')?.textContent?.trim() === heading
    && !document.querySelector('[data-stale="true"]')
    && !document.querySelector('[data-testid="stSkeleton"]');
  let drawn = 0;
  const begun = performance.now();
  const look = () => {
    drawn = settled() ? drawn + 1 : 0;
    if (drawn > 2) done(performance.now() - begun); else requestAnimationFrame(look);
  };
  document.querySelector(`.stHtml a[href*="${link}"]`).click();
  requestAnimationFrame(look);
})"""


def names(count: int) -> dict[str, int]:
    """Return so many deployments of nine projects, and their versions."""
    projects = [one[0] for one in seed.PROJECTS]
    return {f"{projects[n % len(projects)]}.model-{n:02d}": 1 for n in range(count)}


def beat(home: Home, found: dict[str, int]) -> None:
    """Write what serving engine and gateway write."""
    now = time.time()
    seen = {
        name: EndpointStatus(name, "live", versions=(VersionStatus(version, "live", share=1.0),))
        for name, version in found.items()
    }
    status.write(home, ServingStatus(now, os.getpid(), "", 10**10, seen))
    passing = {
        name: {version: VersionFigures(version, 40_000, 12, 600, 0, 0, 3.8, 8.0, 12.9, 1, 0, now)}
        for name, version in found.items()
    }
    figures.write(home, Figures(now, os.getpid(), 7, passing))


def keep_fresh(home: Home, found: dict[str, int], url: str, over: threading.Event) -> None:
    """Write it every second, as they do."""
    pulse = threading.Thread(target=seed.keep_fresh, args=(url, over))
    pulse.start()
    while not over.wait(1.0):
        beat(home, found)
    pulse.join()


def visits(page: Page, traffic: Traffic, count: int) -> None:
    """Go to the page and away from it again, and print what it took."""
    taken, sizes = [], []
    for _ in range(count + 1):
        page.evaluate(IDLE, _OTHER)
        page.wait_for_timeout(300)
        before = traffic.received
        taken.append(float(page.evaluate(IDLE, _PAGE)))
        sizes.append((traffic.received - before) / 1000)
        page.wait_for_timeout(300)
    print(f"{'':24}{'first':>8}{'p50':>8}{'p95':>8}{'max':>8} ms   bound {BOUND_MS:.0f}")
    said("the matrix", taken)
    print(f"{'':24}{max(sizes):.0f} kB at most")


def said(what: str, taken: list[float]) -> None:
    """Print times, the first apart: it reads what later ones find in memory."""
    times = sorted(taken[1:])
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    shown = (taken[0], statistics.median(times), p95, times[-1])
    print(f"{what:24}{''.join(f'{one:8.0f}' for one in shown)}")


def after_checks(page: Page, home: Home, name: str, count: int) -> None:
    """Keep another check, then visit."""
    kept = VerdictStore(home)
    project, _, model = name.partition(".")
    last = kept.check(kept.latest(project, model)[0].id)
    taken = []
    for number in range(count + 1):
        page.evaluate(IDLE, _OTHER)
        page.wait_for_timeout(300)
        monitoring_seed.again(kept, last, last[0].computed_at + number + 1.0)
        taken.append(float(page.evaluate(IDLE, _PAGE)))
    kept.close()
    said("after another check", taken)


def details(page: Page, found: list[str]) -> None:
    """Go from the matrix to one deployment after the other."""
    taken = []
    for name in found:
        page.evaluate(IDLE, _OTHER)
        page.evaluate(IDLE, _PAGE)
        page.wait_for_timeout(300)
        taken.append(float(page.evaluate(_ARRIVES, [name, name.partition(".")[2]])))
        page.wait_for_timeout(300)
    said("to one deployment", taken)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deployments", type=int, default=30)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--requests", type=int, default=30_000, help="of each, in the log")
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="of one window of an open tab")
    parser.add_argument("--port", type=int, default=18604)
    parser.add_argument("--chromium", default=os.environ.get("MLOPS_CHROMIUM", "chromium"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlops-monitoring-"))
    os.environ |= {"MLOPS_HOME": str(folder), "MLOPS_SERVING_ENABLED": "1"}
    home, over = Home.locate(), threading.Event()
    hardware_page.prepare(home)
    url, found = Settings().mirror_url, names(options.deployments)
    seed.fill(url)
    journal = Journal.open(Settings())
    for name, version in found.items():
        project, _, model = name.partition(".")
        wanted = Endpoint(project, model, Target(version, memory_bytes=10**8))
        store.change(journal, project, model, lambda _, wanted=wanted: wanted)
        objectives.fill(home, options.requests, options.days, time.time(), project, model)
    monitoring_seed.many(home, found, days=options.days)
    beat(home, found)
    pulse = threading.Thread(target=keep_fresh, args=(home, found, url, over))
    pulse.start()
    try:
        with hardware_page.serving(home, options.port) as process, sync_playwright() as playwright:
            path = shutil.which(options.chromium)
            idle = hardware_page.share(process, None, options.seconds / 2)
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 960})
            traffic = Traffic()
            page.on("websocket", traffic.watch)
            sign_in(page, f"http://127.0.0.1:{options.port}", hardware_page.PASSWORD)
            visits(page, traffic, options.visits)
            after_checks(page, home, next(iter(found)), options.visits)
            details(page, list(found)[: options.visits])
            page.evaluate(IDLE, _OTHER)  # from a deployment to the matrix is no change of the page
            page.evaluate(IDLE, _PAGE)
            page.wait_for_timeout(3_000)
            taken = [hardware_page.share(process, page, options.seconds) for _ in range(3)]
            print(
                f"an open tab takes {statistics.median(taken) - idle:.2f} % of a core (bound 1.5)"
            )
            browser.close()
    finally:
        over.set()
        pulse.join()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
