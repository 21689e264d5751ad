import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import idle, shot, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def menu(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    idle(page, name)


def test_the_scope_is_in_the_address_and_stays_over_pages_reload_and_back(page: Page):
    sign_in(page, "/projects")
    project = page.get_by_test_id("stSidebar").get_by_role("combobox")

    page.get_by_test_id("stSidebar").get_by_text("30d").click()
    idle(page)
    project.click()
    page.get_by_role("option", name="clip-finetuning").click()
    expect(page).to_have_url(re.compile("project=clip-finetuning"))
    expect(page).to_have_url(re.compile("range=30d"))
    idle(page)

    menu(page, "Activity")
    assert "project=clip-finetuning" in page.url
    page.reload()
    idle(page, "Activity")
    expect(project).to_have_value("clip-finetuning")

    page.go_back()
    idle(page, "Projects")
    expect(project).to_have_value("clip-finetuning")
    assert "range=30d" in page.url


def test_links_carry_the_scope_to_the_next_page(page: Page):
    sign_in(page, "/projects?range=7d")
    page.get_by_role("link", name="CLIP fine-tuning").click()
    idle(page, "CLIP fine-tuning")

    assert "range=7d" in page.url
    assert "id=clip-finetuning" in page.url


def test_a_scoped_person_sees_their_projects_only(page: Page):
    sign_in(page, "/projects", name="scoped")

    expect(page.get_by_text("1 connected")).to_be_visible()
    page.goto("/project?id=lora-finetuning")
    idle(page)
    expect(page.get_by_text("There is no project")).to_be_visible()


def test_the_palette_finds_and_opens_with_the_keyboard(page: Page):
    sign_in(page, "/projects")
    page.keyboard.press("Control+k")
    search = page.get_by_role("dialog").get_by_role("searchbox")
    expect(search).to_be_focused()

    page.keyboard.type("clip")
    page.get_by_role("dialog").get_by_role("link", name="CLIP fine-tuning", exact=True).click()

    idle(page, "CLIP fine-tuning")


@pytest.mark.parametrize("name", ["nothing", "run.php"])
def test_an_address_of_no_page_is_answered_in_the_frame(page: Page, name: str):
    sign_in(page, f"/{name}?project=clip-finetuning")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    shot(page, f"no page {name}")
    page.get_by_role("link", name="Go to the overview").click()
    idle(page, "Overview")
    assert "project=clip-finetuning" in page.url
