"""How long a page takes in Chromium, and what the dashboard and the controller hold in memory.

    .venv/bin/python -m benchmarks.navigation --home FOLDER [--runs 100000] [--visits 20]

Brings the whole platform up in ``--home`` (over 100,000 runs made there at the first call), signs
in, and clicks through the sidebar. A visit lasts from the click until the page is idle: the script
has ended, nothing is stale, no skeleton is left, two frames are drawn. ``kB`` is what the server
sent over the websocket for it. The first visit of each page is shown apart. The bounds: p95 of
600 ms for Experiments, 400 ms for the other pages, 150 kB, 700 MB for dashboard and controller.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
from playwright.sync_api import Page, WebSocket, sync_playwright

from benchmarks.mlflow_server import PROJECTS, running, seed

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("Overview", "Experiments", "Registry", "Projects", "Activity", "Admin")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
BOUNDS_MS = {"Experiments": 600.0}
BOUND_MS, BOUND_KB, BOUND_MB = 400.0, 150.0, 700.0
_CONNECTED = (
    '[data-testid="stApp"][data-test-script-state="notRunning"]'
    '[data-test-connection-state="CONNECTED"]'
)
# In one script, so that no turn between Python and the browser is counted.
IDLE = """heading => new Promise(done => {
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
  [...document.querySelectorAll('[data-testid="stSidebarNav"] a')]
    .find(link => link.textContent.includes(heading)).click();
  requestAnimationFrame(look);
})"""


class Traffic:
    """Bytes the server sent over the websocket."""

    def __init__(self) -> None:
        self.received = 0

    def watch(self, socket: WebSocket) -> None:
        """Count what arrives on a websocket from now on."""
        socket.on("framereceived", lambda frame: self._count(frame))

    def _count(self, frame: str | bytes) -> None:
        self.received += len(frame)


def mlops(home: Path, *arguments: str) -> str:
    """Run a command of the platform on ``home`` and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=ROOT,
        env=os.environ
        | {
            "MLOPS_HOME": str(home),
            "MLOPS_PROJECTS_ROOT": str(home / "projects"),
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"mlops {' '.join(arguments)} failed:\n{done.stdout}")
    return done.stdout


def prepare(home: Path, runs: int) -> None:
    """Fill MLflow in ``home`` with runs, once."""
    if not (home / "mlflow" / "mlflow.db").exists():
        home.mkdir(parents=True, exist_ok=True)
        with running(home):
            pass  # MLflow makes its own tables
        seed(home, runs)
    for number in range(PROJECTS):
        declare(home / "projects" / f"project-{number}")
    # The platform makes tokens and accounts of its own, and prints the password with them.
    shutil.rmtree(home / "secrets", ignore_errors=True)
    for file in (home / "db").glob("journal*"):
        file.unlink()


def declare(folder: Path) -> None:
    """Make the folder of a project, so that the Overview draws its best result and its curve."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(
        f'[tool.mlops]\nid = "{folder.name}"\ntitle = "Benchmark {folder.name}"\n'
        'train = "python train.py"\nprimary_metric = { name = "metric_0", goal = "max" }\n'
    )


def wait_for_runs(home: Path, runs: int) -> None:
    """Wait until the controller has read everything (minutes, the first time)."""
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        found = json.loads(mlops(home, "runs", "list", "--limit", "1", "--json"))
        if found["total"] >= runs * 0.99:  # the seed rounds down to whole projects
            return
        time.sleep(5)
    raise SystemExit("The mirror did not follow within half an hour: see `mlops status`.")


def sign_in(page: Page, url: str, password: str) -> None:
    """Sign in as the administrator."""
    page.goto(url)
    page.wait_for_selector(_CONNECTED)
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector('[data-testid="stSidebarNav"]', timeout=60_000)
    page.wait_for_selector(_CONNECTED)


def visits(page: Page, traffic: Traffic, count: int) -> None:
    """Click through all pages and print a row a page."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    for _ in range(count + 1):
        for name in (*PAGES[1:], PAGES[0]):
            before = traffic.received
            spent = float(page.evaluate(IDLE, name))
            taken[name].append((spent, (traffic.received - before) / 1000))
            page.wait_for_timeout(150)
    print(f"{'page':14}{'first':>8}{'p50':>8}{'p95':>8}{'max':>8} ms{'bound':>7}{'kB max':>9}")
    for name, found in taken.items():
        times = sorted(spent for spent, _ in found[1:])
        p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
        figures = (found[0][0], statistics.median(times), p95, times[-1])
        print(
            f"{name:14}{''.join(f'{figure:8.0f}' for figure in figures)}   "
            f"{BOUNDS_MS.get(name, BOUND_MS):7.0f}{max(size for _, size in found):9.0f}"
        )


def memory(home: Path) -> None:
    """Print the resident memory of the dashboard and the controller, children included."""
    sizes = {}
    for process in json.loads(mlops(home, "status", "--json"))["engines"]:
        if process["name"] in {"dashboard", "controller"}:
            tree = psutil.Process(process["pid"])
            parts = (tree, *tree.children(recursive=True))
            sizes[process["name"]] = sum(part.memory_info().rss for part in parts) / 1e6
    told = ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items())
    print(f"memory: {told}, together {sum(sizes.values()):.0f} MB (bound {BOUND_MB:.0f})")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--chromium", default=os.environ.get("MLOPS_CHROMIUM", "chromium"))
    options = parser.parse_args()
    home = options.home.resolve()
    prepare(home, options.runs)
    told = mlops(home, "up", "--wait")
    try:
        password = re.search(r"^  password +(\S+)$", told, re.MULTILINE)
        url = re.search(r"Dashboard: (http\S+)", told)
        if password is None or url is None:
            raise SystemExit(f"`mlops up` named no password or address:\n{told}")
        wait_for_runs(home, options.runs)
        with sync_playwright() as playwright:
            path = shutil.which(options.chromium)
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 960})
            traffic = Traffic()
            page.on("websocket", traffic.watch)
            sign_in(page, url[1], password[1])
            visits(page, traffic, options.visits)
            browser.close()
        memory(home)
    finally:
        mlops(home, "down")


if __name__ == "__main__":
    main()
