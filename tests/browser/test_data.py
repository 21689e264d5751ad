"""From changed files to a version and back to the one before, in Chromium over real DVC and git."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.data.service import DataService
from tests.browser.conftest import Served, executor, idle, shot, sign_in
from tests.services.data.conftest import content, contract, put

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

PROJECT, TITLE = "federated-learning", "Federated learning"
HEADING = f"Data of {TITLE}"


@pytest.fixture
def work(served: Served) -> Callable[[], int]:
    """Carry out what was asked for with data, as the controller's own loop does."""
    return lambda: executor().execute_pending(lane="data")


@pytest.fixture
def folder(served: Served, tmp_path: Path) -> Path:
    """A project with one version of two files, one of them changed since."""
    made = tmp_path / PROJECT
    made.mkdir()
    contract(made, PROJECT, ["data/"], ["models/"])
    put(made, data__a="first", data__b="stays")
    DataService.here().track(made, "data")
    put(made, data__a="second", data__new="new")
    return made


def asked(served: Served, kind: str) -> int:
    """Return how many actions of a kind were ever asked for."""
    path = served.home.databases / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        query = "SELECT count(*) FROM actions WHERE kind = ?"
        return int(journal.execute(query, (kind,)).fetchone()[0])


def click_revision(page: Page, row: int) -> None:
    """Click the revision in a row of the versions table, the newest being 1."""
    frame = page.get_by_test_id("stDataFrame").first
    frame.locator("canvas").first.wait_for()
    idle(page)
    box = frame.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + (row + 0.5) * 36)


def test_a_version_is_made_compared_and_taken_back(
    page: Page, served: Served, folder: Path, work: Callable[[], int]
):
    first = content(folder / "data")
    service = DataService.here()
    before = service.versions(PROJECT, "data")[0]
    sign_in(page, "/data", name="operator")
    idle(page, "Data")
    expect(page.get_by_text(re.compile("folders have changes that are no version"))).to_be_visible()

    page.goto(f"/data?of={PROJECT}")
    idle(page, HEADING)
    expect(page.get_by_text("Files changed since this version.")).to_be_visible()
    page.get_by_role("button", name="Make a version").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What data hold now becomes a version.")).to_be_visible()
    idle(page)
    count = asked(served, "data-add")
    dialog.get_by_role("button", name="Make it").dblclick()
    expect(dialog.get_by_text("Closing this window does not stop it")).to_be_visible()
    assert asked(served, "data-add") == count + 1  # twice pressed, once asked
    assert work() == 1
    expect(dialog.get_by_text(re.compile("data is now [0-9a-f]{16}, 3 files")).last).to_be_visible()
    shot(page, "data made")
    dialog.get_by_role("button", name="Close").last.click()
    idle(page, HEADING)

    after = service.versions(PROJECT, "data")[0]
    expect(page.get_by_role("heading", name=f"Version {after.revision}")).to_be_visible()
    expect(page.get_by_text("The folder is as its version has it.")).to_be_visible()
    expect(page.get_by_text("1 added")).to_be_visible()
    expect(page.get_by_text("1 changed")).to_be_visible()

    click_revision(page, 2)
    expect(page.get_by_role("heading", name=f"Version {before.revision}")).to_be_visible()
    idle(page)
    assert f"revision={before.revision}" in page.url
    page.get_by_role("button", name="Check out").click()
    idle(page)
    counts = "files 0 added, 1 changed, 1 removed"
    expect(dialog.get_by_text(re.compile(counts))).to_be_visible()
    shot(page, "data checkout dialog")
    dialog.get_by_role("button", name="Check out", exact=True).click()
    expect(dialog.get_by_text("Closing this window does not stop it")).to_be_visible()

    page.reload()  # what is under way is on the page of whoever opens it
    idle(page, HEADING)
    waiting = page.get_by_text(f"Check out version {before.revision} of {PROJECT}")
    expect(waiting).to_be_visible()
    shot(page, "data under way")
    assert work() == 1
    expect(waiting).to_have_count(0)
    first |= {"a": b"first"}
    first.pop("new")
    assert content(folder / "data") == first
    page.reload()
    idle(page, HEADING)
    expect(page.get_by_role("button", name="Check out")).to_be_disabled()


def test_a_checkout_that_would_lose_bytes_cannot_be_pressed(
    page: Page, served: Served, folder: Path
):
    earlier = DataService.here().versions(PROJECT, "data")[0].revision
    put(folder, data__a="nobody has this")
    sign_in(page, f"/data?of={PROJECT}&revision={earlier}", name="operator")
    idle(page, HEADING)
    page.get_by_role("button", name="Check out").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("would be lost:")).to_be_visible()
    expect(dialog.get_by_text("data/a", exact=True)).to_be_visible()
    expect(dialog.get_by_role("button", name="Check out", exact=True)).to_be_disabled()
    shot(page, "data would be lost")


def test_a_project_is_opened_from_its_row_and_left_by_the_back_button(page: Page, served: Served):
    sign_in(page, "/data?project=lora-finetuning", name="viewer")
    idle(page, "Data")
    click_revision(page, 1)
    idle(page, "Data of LoRA fine-tuning")
    expect(page.get_by_role("button", name="Make a version")).to_be_disabled()
    page.get_by_text("Models", exact=True).click()
    idle(page, "Models of LoRA fine-tuning")
    assert "project=lora-finetuning" in page.url
    page.go_back()
    idle(page, "Data of LoRA fine-tuning")
    page.go_back()
    idle(page, "Data")
