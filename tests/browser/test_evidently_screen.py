"""Evidently's own screen in Chromium, behind its password and our policy."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.services.engines.evidently.test_real_screen import PASSWORD, screen, written

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]


def test_a_report_of_ours_is_shown_there(browser: Browser, tmp_path: Path):
    written(tmp_path)
    with screen(tmp_path) as client:
        (project,) = client.get("/api/projects/").json()
        (report,) = client.get(f"/api/projects/{project['id']}/reports").json()
        context = browser.new_context(
            base_url=str(client.base_url), http_credentials={"username": "me", "password": PASSWORD}
        )
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto("/")
        expect(page.get_by_text("clip-finetuning / clip").first).to_be_visible()
        page.goto(f"/projects/{project['id']}/reports/{report['id']}")
        expect(page.get_by_text("Drift in column").first).to_be_visible()
        expect(page.locator("svg.main-svg").first).to_be_visible()
        context.close()
        assert faults == []
