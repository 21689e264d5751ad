"""Engines die or stop while pages are open: the pages say so, go on showing, and recover."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import idle, shot, sign_in
from tests.live import PROJECT, Platform, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
# How long a page may take to notice: the picture counts as stale after 20 s, a page looks every 5.
NOTICED_MS = 60_000
RECOVERED_MS = 90_000
TRAIN = """
import mlflow

with mlflow.start_run(run_name="{name}"):
    mlflow.log_metric("val_accuracy", 0.5)
"""


@pytest.fixture(scope="module")
def shown(lab: Platform) -> str:
    """The id of a run that the open pages show."""
    lab.run(lab.connected(PROJECT), TRAIN.format(name="before-the-outage"))
    return str(eventually(lambda: lab.runs("--filter", 'name = "before-the-outage"'))[0]["run_id"])


@pytest.fixture
def tabs(browser: Browser, lab: Platform, shown: str) -> Iterator[tuple[Page, Page]]:
    """The table of all runs, and one run, open in two tabs of one person."""
    context = browser.new_context(viewport={"width": 1440, "height": 960}, base_url=lab.url)
    context.set_default_timeout(20_000)
    table, run = context.new_page(), context.new_page()
    sign_in(table, "/experiments")
    run.goto(f"/run?run={shown}")
    idle(run)
    yield table, run
    context.close()


@contextmanager
def held(process: psutil.Process) -> Iterator[None]:
    """Stop a process for a while."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def supervisor(lab: Platform) -> psutil.Process:
    return psutil.Process(lab.process("controller").ppid())


def notice(page: Page, title: str) -> None:
    """Expect the notice of an engine, with how long it has been away."""
    said = page.get_by_role("alert").filter(has_text=re.compile(f"{title} has not"))
    expect(said).to_contain_text(re.compile(r"for (\d+ (s|min)|a moment)"), timeout=NOTICED_MS)
    expect(said).to_contain_text("Figures below are the last known ones.")
    expect(page.get_by_text(re.compile(r"Mirror as of \d+ (s|min) ago"))).to_be_visible()


def works(page: Page) -> None:
    expect(page.get_by_role("alert")).to_have_count(0, timeout=RECOVERED_MS)
    expect(page.get_by_text("fault of its own")).to_have_count(0)


def archive(page: Page) -> object:
    return page.get_by_role("button", name="Archive", exact=True)


def still_shown(tabs: tuple[Page, Page]) -> None:
    table, run = tabs
    expect(table.get_by_text(re.compile(r"of \d+ runs?$")).first).to_be_visible()
    expect(run.get_by_role("heading", name="before-the-outage")).to_be_visible()
    for page in tabs:
        expect(page.locator('[data-testid="stSkeleton"]')).to_have_count(0)


def test_mlflow_killed(lab: Platform, tabs: tuple[Page, Page]):
    table, run = tabs
    killed = lab.process("mlflow")
    with held(supervisor(lab)):  # else it is back before anybody looks
        # Its worker would answer on without it.
        for process in (killed, *killed.children(recursive=True)):
            process.send_signal(signal.SIGKILL)
        for page in tabs:
            notice(page, "MLflow")
        still_shown(tabs)
        shot(table, "outage mlflow table")
        run.reload()
        idle(run)
        still_shown(tabs)
        expect(archive(run)).to_be_disabled()
        shot(run, "outage mlflow run")
    for page in tabs:
        works(page)
    expect(archive(run)).to_be_enabled()
    assert lab.engine("mlflow")["pid"] != killed.pid


def test_the_controller_stopped_and_then_killed(lab: Platform, tabs: tuple[Page, Page]):
    controller = lab.process("controller")
    with held(controller):
        for page in tabs:
            notice(page, "Controller")
        still_shown(tabs)
        shot(tabs[0], "outage controller table")
    for page in tabs:
        works(page)
    assert lab.process("controller") == controller

    before = len(lab.runs("--limit", "1000"))
    controller.send_signal(signal.SIGKILL)
    lab.run(lab.connected(PROJECT), TRAIN.format(name="after-the-kill"))

    counted = tabs[0].get_by_text(re.compile(rf"of {before + 1} runs$"))
    expect(counted).to_be_visible(timeout=RECOVERED_MS)
    still_shown(tabs)
    for page in tabs:
        works(page)
    assert lab.process("controller") != controller
