"""The page of the queue in a browser: from a reason to a job, to its place, and back."""

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from services.mirror.queries import Mirror
from services.mirror.workflow_models import QueueRow
from services.mirror.workflow_queries import Workflows
from services.settings import Settings
from tests import queue_seed, seed
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

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
QUEUE = "Queue"


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over a queue that is decided again every second."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        seed.fill(settings.mirror_url)
        queue_seed.fill(settings.mirror_url, waiting=200, past=120)
        with alive(
            home,
            partial(seed.keep_fresh, settings.mirror_url),
            partial(queue_seed.keep_fresh, settings.mirror_url),
        ) as served:
            yield served


@pytest.fixture
def page(browser: Browser, queued: Served) -> Iterator[Page]:
    with tab(browser, queued, 1250) as found:
        yield found


def rows() -> tuple[QueueRow, ...]:
    found = Workflows(Mirror.open(Settings())).queue()
    assert found is not None
    return found.rows


def test_from_a_reason_to_a_job_and_to_the_front(page: Page, queued: Served):
    sign_in(page, "/queue")
    idle(page, QUEUE)
    shot(page, "queue now")
    page.get_by_role("button", name="too large", exact=True).click()
    page.wait_for_url(re.compile(r"reason=too"))
    idle(page, QUEUE)
    expect(page.get_by_text("more are in the queue: the filter hides them")).to_be_visible()
    table = page.get_by_test_id("stDataFrame").locator("canvas").first
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + 54)  # the job's name in the first row
    page.wait_for_url(re.compile(r"job="))
    idle(page, QUEUE)
    card = page.locator(".st-key-queue-job")
    expect(card.get_by_text("It can never fit: it needs 96.0 GB")).to_be_visible()
    expect(card.get_by_text("It is not known. It never starts as it is.")).to_be_visible()
    page.reload()  # the address alone shows the same
    idle(page, QUEUE)
    expect(card.get_by_text("It can never fit")).to_be_visible()

    card.get_by_role("button", name="To the front").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It goes before all that wait")).to_be_visible()
    shot(page, "queue to the front")
    page.wait_for_timeout(4_500)  # the page is drawn again meanwhile, and closes no dialog
    dialog.get_by_role("button", name="Move to the front").click()
    expect(dialog.get_by_text("The controller takes it up")).to_be_visible()
    page.keyboard.press("Escape")
    idle(page, QUEUE)
    (asked,) = executor().history()
    assert (asked.kind, asked.actor, asked.state) == ("queue-move", "admin", "pending")

    card.get_by_role("button", name="Close").click()
    page.wait_for_url(re.compile(r"^(?!.*job=)"))
    idle(page, QUEUE)
    assert "reason=too" in page.url


def test_the_reasons_the_shares_and_a_replay(page: Page):
    sign_in(page, "/queue?part=Why&range=24h")
    idle(page, QUEUE)
    expect(page.get_by_text("Why jobs waited in the last 24 hours")).to_be_visible()
    page.get_by_text("decision of the thermal policy, with readings").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    shot(page, "queue why")
    page.get_by_role("radio", name="Shares").click()
    page.wait_for_url(re.compile("part=Shares"))
    idle(page, QUEUE)
    expect(page.get_by_text("slot-hours in the last 24 hours")).to_be_visible()
    shot(page, "queue shares")
    page.get_by_role("radio", name="What if").click()
    page.wait_for_url(re.compile("part=What"))
    idle(page, QUEUE)
    page.get_by_role("button", name="Replay the last 7 days").click()
    found = page.locator(".st-key-queue-what-if-result")
    expect(found).to_contain_text("simulated", timeout=60_000)
    expect(found).to_contain_text("went to projects that were not due it")
    shot(page, "queue what if")


def test_who_sees_one_project_reads_no_other_name(page: Page):
    sign_in(page, "/queue", name="scoped")
    idle(page, QUEUE)
    others = {row.what for row in rows() if row.project != "clip-finetuning" and row.what}
    told = page.locator("[data-testid=stMain]").inner_text()
    assert "a job of another project" in told
    assert not [name for name in others if name in told]


@IN_WINDOWS
def test_all_parts_fit_their_window_and_say_nothing_on_the_console(
    browser: Browser, queued: Served, width: int, theme: str
):
    one = next(row for row in rows() if row.state == "waiting")
    queries = ("", "?part=Why&range=6h", "?part=Shares", "?part=What+if", f"?job={one.id}")
    with window(browser, queued, width, theme) as (page, fits):
        sign_in(page, "/projects")
        for query in queries:
            page.goto(f"/queue{query}")
            idle(page, QUEUE)
            fits(f"queue {query[:12]}")


def test_a_stretch_says_why_when_one_points_at_it(page: Page):
    sign_in(page, "/queue?part=Why&range=6h")
    idle(page, QUEUE)
    chart = page.get_by_test_id("stEChartsChart").first
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 66 + 11)  # the first lane, of now
    expect(chart.get_by_text(re.compile(r" for .* min"))).to_be_visible()
    shot(page, "queue why pointed at")


def test_what_is_decided_anew_is_drawn_while_nobody_touches_the_page(page: Page):
    sign_in(page, "/queue")
    idle(page, QUEUE)
    page.evaluate("() => { window.same = true }")
    told = page.get_by_test_id("stHtml").filter(has_text="decided")
    before = told.first.inner_text()
    held = sum(row.state == "held" for row in rows())
    assert re.search(rf"\b{held}\s+held", before)
    queue_seed.hold_all(Settings().mirror_url)
    everything = len(rows())
    expect(told.first).to_contain_text(re.compile(rf"{everything}\s+held"), timeout=6_000)
    assert page.evaluate("() => window.same")
