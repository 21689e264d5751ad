"""The page of workflows in a browser: from the list to a log and back, links, a launch."""

import os
import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from services.mirror import schema
from services.mirror.workflow_store import WorkflowStore
from services.settings import Settings
from tests import seed, workflows_seed
from tests.browser.conftest import Served, alive, idle, installed, shot, sign_in, tab

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
LIST, DAG = "Workflows", "LoRA fine-tuning: train"
RUN = f"Run of {DAG}"


@pytest.fixture(scope="module")
def flowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard whose training can be launched; its Airflow is said to live and is not there."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        seed.fill(settings.mirror_url)
        workflows_seed.add(settings.mirror_url)
        workflows_seed.connect(settings.mirror_url, tmp_path_factory.mktemp("lora"))
        with alive(
            home,
            partial(seed.keep_fresh, settings.mirror_url),
            partial(workflows_seed.keep_fresh, settings.mirror_url),
        ) as served:
            yield served


@pytest.fixture
def page(browser: Browser, flowing: Served) -> Iterator[Page]:
    with tab(browser, flowing, 1200) as found:
        yield found


def test_from_the_list_to_a_log_and_back_without_a_new_page_load(page: Page):
    sign_in(page, "/workflows?range=7d")
    idle(page, LIST)
    page.evaluate("() => { window.same = true }")
    page.get_by_role("link", name=DAG, exact=True).click()
    idle(page, DAG)
    assert "dag=lora-finetuning.train" in page.url
    assert "range=7d" in page.url

    page.get_by_role("link", name=re.compile("^train: failed in")).first.click()
    idle(page, RUN)
    assert f"run={workflows_seed.FAILED}" in page.url
    assert "task=train" in page.url
    expect(page.get_by_text("The log is with Airflow, which cannot be asked now")).to_be_visible()
    expect(page.get_by_text("It ended with exit code 1")).to_be_visible()
    shot(page, "workflows failed run")
    assert page.evaluate("() => window.same === true")

    page.go_back()
    idle(page, DAG)
    page.go_back()
    idle(page, LIST)
    page.go_forward()
    idle(page, DAG)
    page.reload()
    idle(page, DAG)


def test_a_link_that_was_passed_on_opens_the_same(page: Page):
    query = f"dag={workflows_seed.TRAIN}&run={workflows_seed.FAILED}&task=data_pull"
    sign_in(page, f"/workflows?{query}&words=loss")
    idle(page, RUN)
    expect(page.get_by_role("textbox", name="Search", exact=True)).to_have_value("loss")
    expect(page.get_by_role("combobox", name="Task")).to_have_value("✓ data_pull")


def test_a_training_and_its_release_lead_to_each_other(page: Page):
    sign_in(page, f"/workflows?dag={workflows_seed.TRAIN}&run={workflows_seed.MADE}")
    idle(page, RUN)
    page.get_by_role("link", name=re.compile("^release")).click()
    idle(page, "Run of LoRA fine-tuning: release")
    page.get_by_role("link", name=re.compile("^train")).first.click()
    idle(page, RUN)
    assert f"run={workflows_seed.MADE}" in page.url
    page.get_by_role("link", name="lora-r8-1").click()
    idle(page, "lora-r8-1")
    page.go_back()
    idle(page, RUN)


def test_a_launch_is_asked_for_and_goes_on_while_the_page_lives(page: Page, flowing: Served):
    sign_in(page, f"/workflows?dag={workflows_seed.TRAIN}")
    idle(page, DAG)
    page.get_by_role("button", name="Launch").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("spinbutton", name="Epochs")).to_have_value("12")
    dialog.get_by_text("Defaults", exact=True).click()
    expect(dialog.get_by_role("spinbutton", name="Epochs")).to_have_value("3")
    expect(dialog.get_by_text("queues behind")).to_be_visible()
    shot(page, "workflows launch")

    # Somebody else pauses it: the page is drawn anew when the dialog is closed, not before.
    _paused(flowing, paused=True)
    page.wait_for_timeout(5_000)
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    _paused(flowing, paused=False)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def _paused(flowing: Served, *, paused: bool) -> None:
    before = os.environ["MLOPS_HOME"]
    assert before == str(flowing.home.root)
    engine, _ = schema.prepare(Settings().mirror_url)
    made = workflows_seed.workflow(
        workflows_seed.LORA, "LoRA fine-tuning", paused=paused, makes=(workflows_seed.PASSED,)
    )
    WorkflowStore(engine).write_workflows([made])
    engine.dispose()
