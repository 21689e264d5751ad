"""Techniques and trade-offs in a real browser: headings sort, a point leads to its runs."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import economics_seed, seed
from tests.browser.conftest import PASSWORD, Served, idle, serving, shot, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

PROJECT = "lora-finetuning"


@pytest.fixture(scope="module")
def costly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard over runs that tell what they cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(tmp_path_factory.mktemp("costly")))
        home = Home.locate()
        home.create()
        settings = Settings()
        engine, _ = schema.prepare(settings.mirror_url)
        economics_seed.fill(Store(engine))
        engine.dispose()
        seed.people(settings, PASSWORD)
        with serving(home) as url:
            yield Served(url, home)


@pytest.fixture
def page(browser: Browser, costly: Served) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 1100}, color_scheme="light", base_url=costly.url
    )
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000])
def test_both_sides_fit_their_window(browser: Browser, costly: Served, theme: str, width: int):
    context = browser.new_context(
        viewport={"width": width, "height": 1100},
        color_scheme=theme,  # type: ignore[arg-type]  # one of the two words
        base_url=costly.url,
    )
    page = context.new_page()
    sign_in(page, "/experiments")
    for query in (
        "view=Techniques",
        "view=Trade-offs&x=joules",
        f"view=Trade-offs&project={PROJECT}",
    ):
        page.goto(f"/experiments?{query}")
        idle(page, "Experiments")
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
        shot(page, f"{query} {theme} {width}")
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, query
        expect(page.get_by_text("fault of its own")).to_have_count(0)
    context.close()
