"""The page of machines in a browser: it lives, and a range dragged in the chart is the address."""

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import idle, shot, sign_in
from tests.hardware_seed import MINI, STUDIO

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]


def window_of(page: Page) -> tuple[datetime, datetime]:
    query = parse_qs(urlsplit(page.url).query)
    return datetime.fromisoformat(query["start"][0]), datetime.fromisoformat(query["end"][0])


def test_figures_change_while_nobody_touches_the_page(page: Page):
    sign_in(page, "/hardware")
    idle(page, "Hardware")
    drawn = page.get_by_test_id("stHtml").filter(has_text="Thermal level").nth(2)
    before = drawn.inner_html()
    expect(drawn).not_to_have_text("", timeout=1)
    page.wait_for_function(
        "([node, before]) => node.innerHTML !== before", arg=[drawn.element_handle(), before]
    )
    expect(page.get_by_text(re.compile("last heard 1[2-9] min ago"))).to_be_visible()
    assert drawn.locator("img").count() >= 5  # the courses were not taken for something harmful


def test_a_dragged_range_is_zoomed_into_and_left_again(page: Page):
    sign_in(page, f"/hardware?host={STUDIO.host}&range=1h")
    idle(page, STUDIO.host)
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 10, box["y"] + 9)  # the mode of dragging
    y, left, right = box["y"] + 110, box["x"] + box["width"] * 0.6, box["x"] + box["width"] * 0.8
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move((left + right) / 2, y, steps=4)
    page.mouse.move(right, y, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"start=.*end="))
    idle(page, STUDIO.host)
    start, end = window_of(page)
    shot(page, "hardware zoomed")
    assert timedelta(minutes=10) < end - start < timedelta(minutes=16)

    page.get_by_test_id("stButton").get_by_text("Whole range").click()
    page.wait_for_url(re.compile(r"^(?!.*start=)"))
    idle(page, STUDIO.host)
    page.wait_for_timeout(6_000)  # what was dragged must not come back with the next drawing
    assert "start=" not in page.url
    expect(page.get_by_text("In the last hour")).to_be_visible()


def test_a_machine_is_opened_from_its_row_and_left_by_the_back_button(page: Page):
    sign_in(page, "/hardware?range=6h")
    page.get_by_role("link", name=MINI.host).click()
    idle(page, MINI.host)
    assert "range=6h" in page.url
    assert f"host={MINI.host}" in page.url  # a reload shows the same
    page.go_back()
    idle(page, "Hardware")


def test_why_a_machine_was_slow_is_asked_and_its_evidence_is_zoomed_to(page: Page):
    sign_in(page, f"/hardware?host={STUDIO.host}&range=1h")
    idle(page, STUDIO.host)
    page.get_by_role("button", name="Why is it slow?").click()
    page.wait_for_url(re.compile(r"why=true"))
    idle(page, STUDIO.host)
    asked = window_of(page)
    expect(page.get_by_text(re.compile("1. Throttled by heat for"))).to_be_visible()
    shot(page, "hardware why")

    page.get_by_role("link", name=re.compile("^Zoom to")).first.click()
    page.wait_for_url(lambda url: "start=" in url and asked != window_of(page))
    idle(page, STUDIO.host)
    start, end = window_of(page)
    assert asked[0] <= start < end <= asked[1] + timedelta(seconds=20)
    # The answer is now about the stretch that was zoomed to, and can be passed on as it is.
    expect(page.get_by_text(re.compile("1. Throttled by heat for"))).to_be_visible()
    page.reload()
    idle(page, STUDIO.host)
    assert window_of(page) == (start, end)

    page.get_by_role("button", name="Close").click()
    page.wait_for_url(re.compile(r"^(?!.*why=)"))
    idle(page, STUDIO.host)
    expect(page.get_by_role("button", name="Why is it slow?")).to_be_visible()
