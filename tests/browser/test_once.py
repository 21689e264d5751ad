"""Hasty hands: a submit pressed twice acts once, and a reload in a dialog submits nothing."""

import sqlite3
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Served, idle, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]


def asked(served: Served) -> int:
    """Return how many actions were ever asked for."""
    path = served.home.databases / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        return int(journal.execute("SELECT count(*) FROM actions").fetchone()[0])


def dialog(page: Page, model: str) -> Locator:
    """Open the dialog that archives the newest version of a model."""
    sign_in(page, "/model?" + urlencode({"of": model, "model": model, "version": 2}))
    page.get_by_role("button", name="Archive", exact=True).click()
    found = page.get_by_role("dialog")
    expect(found.get_by_role("button", name="Archive", exact=True)).to_be_enabled()
    idle(page)
    return found


def test_a_double_click_acts_once(page: Page, served: Served):
    before = asked(served)
    opened = dialog(page, "cpu-compression")

    opened.get_by_role("button", name="Archive", exact=True).dblclick()

    expect(opened.get_by_text("Closing this window does not stop it")).to_be_visible()
    idle(page)
    assert asked(served) == before + 1


def test_a_reload_in_a_dialog_submits_nothing(page: Page, served: Served):
    before = asked(served)
    dialog(page, "federated-learning")

    page.reload()

    idle(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("fault of its own")).to_have_count(0)
    expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    assert asked(served) == before
