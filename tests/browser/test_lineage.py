"""The page of lineage in a browser: found, drawn, followed from box to box, marked as bad."""

import itertools
import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect

from dashboard.lineage import looks
from services.actions.journal import Journal
from tests import lineage_seed, seed
from tests.browser.conftest import (
    IN_WINDOWS,
    Served,
    alive,
    executor,
    idle,
    installed,
    shot,
    sign_in,
    tab,
    window,
)
from tests.lineage_seed import CLIP, DATA, LORA, RUN

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
PAGE = "Lineage"
V1 = f"version:{LORA}/{LORA}:1"
REASON = "The labels of <b>two</b> classes are swapped."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over one thread from data to the retraining that its drift led to."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        lineage_seed.mirror(settings.mirror_url)
        lineage_seed.files(home)
        journal = Journal.open(settings)
        lineage_seed.deployed(journal)
        lineage_seed.answered(journal, lineage_seed.checked(home, journal))
        journal.close()
        with alive(home, partial(seed.keep_fresh, settings.mirror_url)) as found:
            yield found


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with tab(browser, served, 1250) as found:
        yield found


def to(node: str) -> str:
    return f"/lineage?id={quote(node, safe='')}"


def boxes(page: Page) -> Locator:
    drawing = page.get_by_role("list").filter(has=page.locator("[aria-current=true]"))
    return drawing.get_by_role("listitem")


def box(page: Page, node: str) -> Locator:
    return boxes(page).and_(page.locator(f'[href$="lineage?id={quote(node, safe="")}"]'))


def is_at(page: Page, node: str) -> None:
    """The drawing is of this thing, and shows its box without being scrolled by anybody."""
    idle(page, PAGE)
    here = boxes(page).and_(page.locator("[aria-current=true]"))
    expect(here).to_have_attribute("href", re.compile(re.escape(to(node)) + "$"))
    mine, shown = placed(here), placed(here.locator("xpath=../.."))
    assert shown["x"] - 1 <= mine["x"], node
    assert mine["x"] + mine["width"] <= shown["x"] + shown["width"] + 1, node


def placed(one: Locator) -> FloatRect:
    found = one.bounding_box()
    assert found is not None
    return found


def overlapping(page: Page) -> list[str]:
    """Return pairs of boxes of which one lies over the other."""
    found = [(one.inner_text(), placed(one)) for one in boxes(page).all()]
    return [
        f"{name} / {other}"
        for (name, a), (other, b) in itertools.combinations(found, 2)
        if a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]
    ]  # fmt: skip


@IN_WINDOWS
def test_every_view_fits_its_window_and_no_box_lies_over_another(
    browser: Browser, served: Served, width: int, theme: str
):
    with window(browser, served, width, theme, 1250) as (page, fits):
        sign_in(page, "/lineage", name="viewer")
        idle(page, PAGE)
        fits("lineage")
        for node in (f"run:{RUN}", "alert:1"):
            page.goto(to(node))
            is_at(page, node)
            assert boxes(page).count() > 8, node
            assert overlapping(page) == []
            fits(f"lineage {node.partition(':')[0]}")


def has_every_kind(page: Page) -> None:
    """The thread has one box of each of its things, and things of every kind."""
    drawn = [one.inner_text().partition("\n")[0] for one in boxes(page).all()]
    assert set(drawn) == set(looks.WORDS.values())
    links = [one.get_attribute("href") for one in boxes(page).all()]
    assert len(set(links)) == len(links)
    for node in (
        f"data:{DATA}", f"workflow:{lineage_seed.TRAIN}/one", V1, V1.replace("version", "bundle"),
        V1.replace("version", "deployment"), V1.replace("version", "predictions"), "verdict:v-1",
        "alert:1", "retraining:1", f"workflow:{lineage_seed.RETRAIN}/two",
        f"run:{lineage_seed.NEXT}", V1.replace(":1", ":2"),
    ):  # fmt: skip
        expect(box(page, node), node).to_have_count(1)


def test_from_the_search_to_a_thread_from_box_to_box_and_back(page: Page):
    sign_in(page, "/lineage", name="viewer")
    idle(page, PAGE)
    expect(page.get_by_text("In service now")).to_be_visible()
    find = page.get_by_label("Find")
    find.fill("nothing of this name")
    find.press("Enter")
    expect(page.get_by_text("Nothing is called nothing of this name")).to_be_visible()
    find.fill(RUN)
    find.press("Enter")
    page.wait_for_url(re.compile(f"find={RUN}"))
    is_at(page, f"run:{RUN}")
    has_every_kind(page)
    box(page, "alert:1").click()
    page.wait_for_url(re.compile("id=alert"))
    is_at(page, "alert:1")  # far to the right: the drawing begins there
    expect(page.get_by_role("heading", name="Alert The inputs of")).to_be_visible()
    box(page, "retraining:1").click()
    page.wait_for_url(re.compile("id=retraining"))
    is_at(page, "retraining:1")
    page.go_back()
    page.wait_for_url(re.compile("id=alert"))
    is_at(page, "alert:1")
    page.go_back()
    page.wait_for_url(re.compile(f"find={RUN}"))
    is_at(page, f"run:{RUN}")
    page.reload()
    is_at(page, f"run:{RUN}")


def test_an_approver_marks_data_as_bad_and_sees_what_came_of_it(page: Page):
    sign_in(page, to(f"data:{DATA}"), name="approver")
    is_at(page, f"data:{DATA}")
    page.get_by_role("button", name="Mark as bad").click()
    dialog = page.get_by_role("dialog")
    do = dialog.get_by_role("button", name="Mark it")
    expect(do).to_be_disabled()
    dialog.get_by_label("Why is it bad?").fill(REASON)
    dialog.get_by_label("Why is it bad?").press("Enter")
    expect(dialog.get_by_text(f"{CLIP}.{CLIP} 1").first).to_be_visible()
    shot(page, "lineage marking")
    do.click()
    expect(dialog.get_by_text("The controller takes it up")).to_be_visible()
    assert executor().execute_pending() == 1
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)
    idle(page, PAGE)
    told = page.get_by_test_id("stAlert").filter(has_text="Marked as bad by approver")
    expect(told).to_contain_text(REASON)
    expect(box(page, f"data:{DATA}")).to_contain_text("⚑ bad")
    expect(box(page, V1)).to_contain_text("⚐ from bad")
    shot(page, "lineage marked")
    box(page, V1).click()
    is_at(page, V1)
    expect(page.get_by_text("It came from what is marked as bad")).to_be_visible()
    page.get_by_role("link", name="All lineage").click()
    idle(page, PAGE)
    expect(page.get_by_text(REASON)).to_be_visible()
    expect(page.get_by_text(re.compile("answers? requests now")).first).to_be_visible()
