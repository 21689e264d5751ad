"""The page of workflows over a real Airflow: a launch, its log as it comes, what it set off."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.controller.workflows import WorkflowSync
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.settings import Settings
from tests import seed
from tests.airflow_lab import DRILL, Lab
from tests.browser.conftest import Served, idle, installed, serving, shot, sign_in, tab

pytestmark = [
    pytest.mark.airflow, pytest.mark.browser, pytest.mark.engine, pytest.mark.slow,
    pytest.mark.timeout(400),
]  # fmt: skip
DAG = "Drill: train"


@pytest.fixture(scope="module")
def drilled(airflow_lab_shared: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard, and what of the controller follows Airflow and does what is asked for."""
    lab = airflow_lab_shared
    port = str(lab.settings.airflow_port)
    home_folder = tmp_path_factory.mktemp("home")
    with installed(home_folder, MLOPS_AIRFLOW_PORT=port) as (home, settings):
        shutil.copy(lab.home.secrets / "airflow-passwords.json", home.secrets)
        store = seed.empty(settings.mirror_url)
        folder = tmp_path_factory.mktemp("drill")
        (folder / "pyproject.toml").write_text(DRILL)
        store.write_project("drill", "connected", {"title": "Drill", "path": str(folder)})
        over = threading.Event()
        follower = threading.Thread(target=_control, args=(settings, lab, folder, over))
        try:
            follower.start()
            with serving(home) as url:
                yield Served(url, home)
        finally:
            over.set()
            follower.join()


def _control(settings: Settings, lab: Lab, folder: Path, over: threading.Event) -> None:
    engine, _ = schema.prepare(settings.mirror_url)
    mirror, store = Mirror(settings.mirror_url), Store(engine)
    sync = WorkflowSync(WorkflowStore(engine), Workflows(mirror), lab.airflow, folder)
    nobody = None
    context = Context(Journal.open(settings), mirror, nobody, nobody, airflow=lab.airflow)  # type: ignore[arg-type]
    executor = Executor(context)
    while not over.wait(0.5):
        sync.turn()
        executor.execute_pending()
        for name, title in (*seed.ENGINES, ("airflow", "Airflow")):
            store.write_engine(name, title, "live")


@pytest.fixture
def page(browser: Browser, drilled: Served) -> Iterator[Page]:
    with tab(browser, drilled, 1200) as found:
        found.context.set_default_timeout(30_000)
        yield found


def failing(dialog: Locator, *, wanted: bool) -> None:
    """Say whether the training is to fail; the form begins with what was used last."""
    said = dialog.get_by_text("fail", exact=True)
    label = dialog.locator("label", has=dialog.page.get_by_text("fail", exact=True))
    box = label.locator("input")
    if box.is_checked() != wanted:
        said.click()


def launched(page: Page, **numbers: str) -> None:
    """Launch the training from its page, and go to the run."""
    page.get_by_role("button", name="Launch").click()
    dialog = page.get_by_role("dialog")
    for name, value in numbers.items():
        field = dialog.get_by_role("spinbutton", name=name)
        field.fill(value)
        field.press("Enter")
    failing(dialog, wanted=False)
    dialog.get_by_role("button", name="Launch").click()
    dialog.get_by_role("link", name="To the run").click(timeout=60_000)
    idle(page, f"Run of {DAG}")


def test_a_launch_is_followed_to_what_it_set_off(page: Page):
    sign_in(page, "/workflows")
    idle(page, "Workflows")
    expect(page.get_by_text("makes no workflow.")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name=DAG, exact=True).click()
    idle(page, DAG)
    launched(page, epochs="7", wait_s="6")

    log = page.get_by_role("log")
    expect(log).to_contain_text("for 7 epochs", timeout=90_000)
    shot(page, "workflows real running")
    expect(page.get_by_text("Took", exact=True)).to_be_visible(timeout=120_000)
    expect(page.get_by_role("heading", name="What set off what")).to_be_visible(timeout=60_000)

    page.get_by_role("textbox", name="Search").fill("part")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(log.locator("mark").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile(r"Match \d+ of \d+"))).to_be_visible()
    shot(page, "workflows real log")

    page.get_by_role("link", name=re.compile("^release")).click()
    idle(page, "Run of drill.release")
    expect(page.get_by_text(re.compile("set off by drill.train"))).to_be_visible()


def test_a_run_that_failed_is_retried_where_it_failed(page: Page):
    sign_in(page, "/workflows?dag=drill.train")
    idle(page, DAG)
    page.get_by_role("button", name="Launch").click()
    dialog = page.get_by_role("dialog")
    failing(dialog, wanted=True)
    dialog.get_by_role("button", name="Launch").click()
    dialog.get_by_role("link", name="To the run").click(timeout=60_000)
    idle(page, f"Run of {DAG}")
    # One of the two parts fails before the other, and what runs still is not tried again.
    expect(page.get_by_text("Took", exact=True)).to_be_visible(timeout=120_000)
    retry = page.get_by_role("button", name="Retry")
    expect(retry).to_be_enabled(timeout=120_000)
    expect(page.get_by_role("log")).to_contain_text("the loss is not a number", timeout=60_000)
    shot(page, "workflows real failed")
    retry.click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog").get_by_text("done again").first).to_be_visible(timeout=60_000)
    page.get_by_role("dialog").get_by_role("button", name="Close").click(timeout=60_000)
    expect(page.get_by_text(re.compile(r"2 of 2"))).to_have_count(0)
    expect(page.get_by_role("radio", name="2", exact=True)).to_be_visible(timeout=120_000)
    assert os.environ["MLOPS_HOME"]
