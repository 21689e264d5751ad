"""Chromium against the served dashboard: a real process, a real mirror, real accounts."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.home import Home
from services.mirror.queries import Mirror
from services.settings import Settings
from tests import data_seed, hardware_seed, seed, workflows_seed

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = Path(os.environ.get("MLOPS_SCREENSHOTS", "/tmp/mlops-screenshots"))
CHROMIUM = os.environ.get("MLOPS_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery"
_READY = '[data-testid="stApp"][data-test-script-state="notRunning"]' + (
    '[data-test-connection-state="CONNECTED"]'
)
_SETTLED = """() => !document.querySelector('[data-stale="true"]')
  && !document.querySelector('[data-testid="stSkeleton"]')"""


@dataclass(frozen=True)
class Served:
    """The dashboard of an installation of its own."""

    url: str
    home: Home


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the dashboard over a filled mirror that a stand-in for the controller keeps fresh."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        seed.fill(settings.mirror_url)
        workflows_seed.add(settings.mirror_url)
        hardware_seed.fill(home.telemetry)
        data_seed.fill(home, tmp_path_factory.mktemp("projects"))
        with alive(
            home,
            partial(seed.keep_fresh, settings.mirror_url),
            partial(workflows_seed.keep_fresh, settings.mirror_url),
            partial(hardware_seed.keep_fresh, home.telemetry),
        ) as served:
            yield served


@contextlib.contextmanager
def installed(root: Path, **variables: str) -> Iterator[tuple[Home, Settings]]:
    """Make an installation of its own with an account a role; it is the one that settings name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"MLOPS_HOME": str(root), **variables}.items():
            patch.setenv(name, value)
        home = Home.locate()
        home.create()
        settings = Settings()
        seed.people(settings, PASSWORD)
        yield home, settings


def executor() -> Executor:
    """Return who carries out what is asked of the dashboard, as the controller does."""
    settings, nobody = Settings(), None
    journal, mirror = Journal.open(settings), Mirror.open(settings)
    return Executor(Context(journal, mirror, nobody, nobody))  # type: ignore[arg-type]  # no engine is asked


@contextlib.contextmanager
def alive(home: Home, *beats: Callable[[threading.Event], object]) -> Iterator[Served]:
    """Serve the dashboard while others keep what it shows fresh, each until its event is set."""
    over = threading.Event()
    pulses = [threading.Thread(target=beat, args=(over,)) for beat in beats]
    try:
        with serving(home) as url:
            for pulse in pulses:
                pulse.start()
            yield Served(url, home)
    finally:
        over.set()
        for pulse in pulses:
            if pulse.ident is not None:
                pulse.join()


@contextlib.contextmanager
def tab(browser: Browser, served: Served, height: int = 960) -> Iterator[Page]:
    """Open a page in a browser profile of its own, 1440 wide, light."""
    context = browser.new_context(
        viewport={"width": 1440, "height": height}, color_scheme="light", base_url=served.url
    )
    context.set_default_timeout(15_000)
    try:
        yield context.new_page()
    finally:
        context.close()


IN_WINDOWS = pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), (1000, "light"), (1440, "dark"), (1000, "dark")]
)


@contextlib.contextmanager
def window(
    browser: Browser, served: Served, width: int, theme: str, height: int = 960
) -> Iterator[tuple[Page, Callable[[str], None]]]:
    """Open a page in a window; yield it, and what keeps its picture and says whether it fits.

    At the end nothing may have been said on the console.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]  # one of the two words
        base_url=served.url,
    )
    page = context.new_page()
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Streamlit tries its health route below a page's path before the root: a 404 it expects.
        if message.type == "error" and "404" not in message.text:
            said.append(message.text)

    def fits(name: str) -> None:
        shot(page, f"{name} {theme} {width}")
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, name
        expect(page.get_by_text("fault of its own")).to_have_count(0)

    page.on("console", listen)
    try:
        yield page, fits
        assert not said
    finally:
        context.close()


@contextlib.contextmanager
def serving(home: Home, **variables: str) -> Iterator[str]:
    """Serve the dashboard of an installation; yield its address."""
    port = free_port()
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client' / 'src'}"}
    with (home.logs / "dashboard.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | paths | {"MLOPS_HOME": str(home.root)} | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(url, process, home.logs / "dashboard.log")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=15)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/_stcore/health", timeout=2).text == "ok":
                return
        time.sleep(0.2)
    raise AssertionError(f"The dashboard did not come up:\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; for a file, because Playwright's loop lets no other test run a loop of its own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """A browser profile of its own, 1440 wide, light."""
    made = browser.new_context(
        viewport={"width": 1440, "height": 960}, color_scheme="light", base_url=served.url
    )
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def idle(page: Page, heading: str | None = None) -> None:
    """Wait until the page is drawn: connected, not running, nothing stale, still for two frames."""
    page.wait_for_selector(_READY)
    page.wait_for_function(_SETTLED)
    if heading is not None:
        expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    page.wait_for_selector(_READY)
    page.wait_for_function(_SETTLED)


def sign_in(page: Page, path: str = "/", name: str = "admin", password: str = PASSWORD) -> None:
    """Go to a path as nobody, sign in there and wait for the page behind it."""
    page.goto(path)
    fill_in(page, name, password)
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    idle(page)


def fill_in(page: Page, name: str, password: str) -> None:
    idle(page)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def shot(page: Page, name: str) -> Path:
    """Keep a picture of the page, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png"
    page.screenshot(path=path)
    return path
