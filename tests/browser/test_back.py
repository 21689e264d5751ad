"""The way back: after every kind of link inside the app the page before stands as it was left."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests import seed
from tests.browser.conftest import idle, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
RUN, OTHER = seed.run_id(1, 0), seed.run_id(1, 1)


def chosen(page: Page, name: str) -> None:
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()


def menu(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    idle(page, name)


@pytest.mark.parametrize(
    ("address", "option"),
    [
        ("run?" + urlencode({"run": RUN, "part": "Metrics"}), "Metrics"),
        (
            "compare?" + urlencode({"runs": f"{RUN},{OTHER}", "side": "Parameters"}),
            "Parameters",
        ),
        ("activity?" + urlencode({"view": "audit", "who": "nobody", "range": "7d"}), "Audit"),
        ("admin?view=platform", "Platform"),
    ],
)
def test_after_the_menu(page: Page, address: str, option: str):
    sign_in(page, f"/{address}")
    chosen(page, option)
    before = page.url

    menu(page, "Projects")
    page.go_back()

    idle(page)
    expect(page).to_have_url(before)
    chosen(page, option)
    page.go_forward()
    idle(page, "Projects")


def test_after_a_link_in_a_page_and_a_reload_on_the_way(page: Page):
    sign_in(page, "/run?" + urlencode({"run": RUN, "part": "Parameters"}))
    page.get_by_role("link", name="All runs").click()
    idle(page, "Experiments")
    page.reload()
    idle(page, "Experiments")

    page.go_back()

    idle(page)
    assert RUN in page.url
    chosen(page, "Parameters")


def test_what_was_chosen_on_the_page_is_one_step_back(page: Page):
    sign_in(page, f"/run?run={RUN}")
    page.get_by_role("radio", name="Metrics", exact=True).click()
    expect(page).to_have_url(re.compile("part=Metrics"))
    idle(page)
    page.reload()
    idle(page)
    chosen(page, "Metrics")

    page.go_back()

    idle(page)
    chosen(page, "Curves")
    assert RUN in page.url


def test_what_was_typed_in_a_filter_survives_the_way_back(page: Page):
    sign_in(page, "/activity")
    page.get_by_label("Who").fill("nobody")
    page.get_by_label("Who").press("Enter")
    expect(page).to_have_url(re.compile("who=nobody"))
    idle(page)

    menu(page, "Registry")
    page.go_back()

    idle(page, "Activity")
    expect(page.get_by_label("Who")).to_have_value("nobody")


def test_the_metrics_and_the_moment_of_a_model_survive_the_way_back(page: Page):
    # The scope is repeated as well: the first of each counts, and no page stumbles.
    asked = "of=clip-finetuning&model=clip-finetuning&metrics=loss&at=2020-01-01T10%3A30"
    twice = "project=clip-finetuning&project=lora-finetuning&range=7d&range=1h"
    sign_in(page, f"/model?{asked}&{twice}")
    before = page.url
    expect(page.get_by_text("fault of its own")).to_have_count(0)

    menu(page, "Projects")
    page.go_back()

    idle(page)
    expect(page).to_have_url(before)
    expect(page.get_by_text("fault of its own")).to_have_count(0)
    page.get_by_role("button", name="Metrics").click()
    expect(page.get_by_test_id("stPopoverBody").get_by_text("loss", exact=True)).to_be_visible()
