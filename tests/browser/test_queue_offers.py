"""An administrator says in a browser what a machine offers, and it is noted once."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from services.resources.models import GIB
from services.resources.offers import Offer, Offers
from tests import queue_seed
from tests.browser.conftest import Served, executor, idle, shot, sign_in, tab
from tests.browser.test_queue import QUEUE, queued

__all__ = ["queued"]
pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def page(browser: Browser, queued: Served) -> Iterator[Page]:
    with tab(browser, queued, 1440) as found:
        yield found


def test_a_machine_is_given_three_slots(page: Page):
    Offers.here().put(Offer(queue_seed.HERE, 2, 54 * GIB, None, "ann", time.time()))
    sign_in(page, "/queue")
    idle(page, QUEUE)
    expect(page.get_by_text("An administrator gave 2 heavy slots and 54.0 GB")).to_be_visible()
    shot(page, "queue machines")
    page.get_by_role("button", name="Change what a machine offers").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("As measured it offers one heavy job")).to_be_visible()
    expect(dialog.get_by_role("button", name="Offer it")).to_be_disabled()
    slots = dialog.get_by_role("spinbutton", name="Heavy jobs at a time")
    slots.fill("3")
    slots.press("Enter")
    expect(dialog.get_by_text("It takes 3 heavy jobs at a time; now 2.")).to_be_visible()
    page.wait_for_timeout(4_500)  # the page is drawn again meanwhile, and closes no dialog
    shot(page, "queue offer")
    memory = dialog.get_by_role("spinbutton", name="Memory for jobs, GB")
    memory.fill("64")
    memory.press("Enter")
    expect(dialog.get_by_text("more than studio")).to_be_visible()
    shot(page, "queue offer refused")
    expect(dialog.get_by_role("button", name="Offer it")).to_be_disabled()
    memory.fill("20")
    memory.press("Enter")
    dialog.get_by_role("button", name="Offer it").click()
    expect(dialog.get_by_text("The controller takes it up")).to_be_visible()
    (asked,) = executor().history(kinds=("machine-offer",))
    assert (asked.actor, asked.state) == ("admin", "pending")
    assert "3 heavy slots and 20.0 GB of memory" in asked.title
