"""From what needs a person to a promotion that was asked for, in Chromium."""

import pytest
from playwright.sync_api import Page, expect

from services.settings import Settings
from tests import seed
from tests.browser.conftest import idle, shot, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

MODEL = "/model?of=meta-learning-peft&model=meta-learning-peft"


def click(page: Page, x: int, row: float) -> None:
    """Click into the first table, ``row`` row heights below its top."""
    frame = page.get_by_test_id("stDataFrame").first
    frame.locator("canvas").first.wait_for()
    idle(page)
    box = frame.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + row * 36)


def test_an_approver_goes_from_the_overview_to_the_decision(page: Page):
    sign_in(page, "/", name="approver")
    idle(page, "Overview")

    page.get_by_role("link", name="Decide").first.click()
    idle(page)
    expect(page.get_by_role("heading", name="Version 2", exact=True)).to_be_visible()
    page.get_by_role("button", name="Promote", exact=True).click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("champion moves from version 1 to version 2")).to_be_visible()
    shot(page, "promote dialog")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(dialog.get_by_text("The controller takes it up within a second.")).to_be_visible()


def test_a_viewer_is_told_why_nothing_can_be_pressed(page: Page):
    sign_in(page, MODEL, name="viewer")
    idle(page, "meta-learning-peft")

    promote = page.get_by_role("button", name="Promote", exact=True)
    expect(promote).to_be_disabled()
    promote.hover(force=True)

    expect(page.get_by_text("takes the role approver; viewer is viewer")).to_be_visible()


def test_a_name_in_the_table_opens_the_model_and_the_way_back_keeps_the_filter(page: Page):
    sign_in(page, "/registry?text=clip", name="viewer")
    idle(page, "Registry")
    expect(page.get_by_text("2 versions")).to_be_visible()

    click(page, 60, 1.5)

    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Newest", exact=True)).to_be_visible()
    shot(page, "registry drawer")
    drawer.get_by_role("link", name="Versions, history, promotion").click()
    idle(page, "clip-finetuning")
    page.go_back()
    idle(page, "Registry")
    expect(page.get_by_role("textbox", name="Search")).to_have_value("clip")


def test_a_click_on_a_row_shows_that_version_and_the_way_back_the_one_before(page: Page):
    sign_in(page, MODEL, name="viewer")
    idle(page, "meta-learning-peft")
    expect(page.get_by_role("heading", name="Version 2", exact=True)).to_be_visible()

    click(page, 17, 2.5)
    expect(page.get_by_role("heading", name="Version 1", exact=True)).to_be_visible()
    idle(page)
    assert "version=1" in page.url

    page.go_back()
    expect(page.get_by_role("heading", name="Version 2", exact=True)).to_be_visible()


def test_a_failing_gate_asks_for_a_reason_in_the_dialog(page: Page):
    sign_in(
        page,
        "/model?of=self-improving-diffusion&model=self-improving-diffusion",
        name="approver",
    )
    idle(page, "self-improving-diffusion")
    page.get_by_role("button", name="Promote", exact=True).click()

    dialog = page.get_by_role("dialog")
    press = dialog.get_by_role("button", name="Promote", exact=True)
    expect(press).to_be_disabled()
    shot(page, "override dialog")
    dialog.get_by_label("Why this version is promoted although a gate fails").fill("out of date")
    expect(press).to_be_enabled()


def test_the_overview_follows_the_mirror_and_closes_no_dialog_doing_so(page: Page):
    sign_in(page, "/?project=clip-finetuning", name="viewer")
    idle(page, "Overview")
    expect(page.get_by_text("late-run").first).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()

    seed.one_more_run(Settings().mirror_url, "clip-finetuning", "late-run")

    expect(page.get_by_text("Run late-run started").first).to_be_visible(timeout=15_000)
    expect(page.get_by_role("dialog")).to_be_visible()
