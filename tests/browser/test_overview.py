"""The Overview in Chromium: the curves are seen, and what is folded away comes and stays."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import idle, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]


def test_each_project_with_results_has_a_curve_that_is_seen(page: Page):
    sign_in(page, "/", name="viewer")
    idle(page, "Overview")

    curves = page.get_by_role("img", name="finished runs: from")
    expect(curves).to_have_count(9)
    drawn = "all => all.every(one => one.complete && one.naturalWidth > 0 && one.clientWidth > 60)"
    assert curves.evaluate_all(drawn)


def test_what_is_folded_away_is_drawn_when_asked_for_and_stays(page: Page):
    sign_in(page, "/", name="viewer")
    idle(page, "Overview")
    links = page.get_by_role("link").filter(has_text="arrow_forward")
    expect(links).to_have_count(6)

    more = page.locator("summary").filter(has_text="more")
    count = 6 + int(more.inner_text().split()[-2])
    more.click()
    expect(links).to_have_count(count)

    page.wait_for_timeout(4_000)  # the page has drawn itself again
    idle(page)
    expect(links).to_have_count(count)
