"""Techniques and trade-offs in a real browser: headings sort, a point leads to its runs."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from services.mirror import schema
from services.mirror.store import Store
from tests import economics_seed
from tests.browser.conftest import (
    IN_WINDOWS,
    Served,
    idle,
    installed,
    serving,
    shot,
    sign_in,
    tab,
    window,
)

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

PROJECT = "lora-finetuning"


@pytest.fixture(scope="module")
def costly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard over runs that tell what they cost."""
    with installed(tmp_path_factory.mktemp("costly")) as (home, settings):
        engine, _ = schema.prepare(settings.mirror_url)
        economics_seed.fill(Store(engine))
        engine.dispose()
        with serving(home) as url:
            yield Served(url, home)


@pytest.fixture
def page(browser: Browser, costly: Served) -> Iterator[Page]:
    with tab(browser, costly, 1100) as found:
        yield found


def test_headings_sort_a_row_shows_the_way_and_reload_keeps_it(page: Page):
    sign_in(page, f"/experiments?project={PROJECT}")
    page.get_by_role("radio", name="Techniques").click()
    expect(page).to_have_url(re.compile("view=Techniques"))
    idle(page)
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box is not None
    joules = 35 + 115 + 70 + 52 + 80 + 122 + 135 + 60
    page.mouse.click(box["x"] + joules, box["y"] + 18)
    expect(page).to_have_url(re.compile("by=joules"))
    expect(page.get_by_text("Sorted by joules, best first.")).to_be_visible()
    idle(page)
    page.mouse.click(box["x"] + joules, box["y"] + 18)
    expect(page).to_have_url(re.compile("by=-joules"))
    page.reload()
    idle(page, "Experiments")
    expect(page.get_by_text("Sorted by joules, worst first.")).to_be_visible()
    box = table.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 15, box["y"] + 36 + 18)
    page.wait_for_timeout(500)  # the heading's help, which lay under the pointer, goes
    page.mouse.click(box["x"] + 15, box["y"] + 36 + 18)
    expect(page.get_by_role("link", name="All runs of full")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Best run of full"))).to_be_visible()


def test_a_point_leads_to_its_runs_and_back_to_the_same_axes(page: Page):
    sign_in(page, f"/experiments?project={PROJECT}&view=Trade-offs")
    page.get_by_role("radiogroup", name="Across").get_by_role("radio", name="joules").click()
    expect(page).to_have_url(re.compile("x=joules"))
    idle(page)
    point = page.locator(".js-plotly-plot .scatterlayer .point").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*at)
    expect(page.locator(".hoverlayer")).to_contain_text("on the front")
    shot(page, "trade-offs hover")
    page.mouse.click(*at)
    expect(page).to_have_url(re.compile(r"q=project"))
    expect(page).not_to_have_url(re.compile("view="))
    idle(page)
    expect(page.get_by_text("1–5 of 5 runs")).to_be_visible()
    expect(page.get_by_role("button", name="technique is full")).to_be_visible()
    page.go_back()
    idle(page, "Experiments")
    expect(page).to_have_url(re.compile("view=Trade-offs"))
    assert "x=joules" in page.url
    expect(page.locator(".js-plotly-plot").first).to_be_visible()


@IN_WINDOWS
def test_both_sides_fit_their_window(browser: Browser, costly: Served, width: int, theme: str):
    queries = ("view=Techniques", "view=Trade-offs&x=joules", f"view=Trade-offs&project={PROJECT}")
    with window(browser, costly, width, theme, 1100) as (page, fits):
        sign_in(page, "/experiments")
        for query in queries:
            page.goto(f"/experiments?{query}")
            idle(page, "Experiments")
            expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
            fits(query)
