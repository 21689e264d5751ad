"""An admin lets another machine report here, and takes one off the list that is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from services.engines.silicon.models import Sample
from services.engines.silicon.provider import measured
from services.telemetry import tokens
from services.telemetry.store import Store
from tests.browser.conftest import Served, executor, idle, shot, sign_in
from tests.hardware_seed import RUNNER

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

SOLD = "sold-0f0f0f0f"


@pytest.fixture
def sold(served: Served) -> str:
    """A machine that reported ten minutes ago for the last time, with a token."""
    writer = Store(served.home.telemetry, merge_in_background=False)
    at = datetime.now(UTC) - timedelta(minutes=10)
    writer.append(Sample(SOLD, at, 2.0, (measured("cpu_ratio", 0.5, "psutil"),)))
    writer.close()
    folder = served.home.secrets / tokens.FOLDER
    for one in tokens.listed(folder):  # of a try before this one
        tokens.revoke(folder, one.name)
    check, made = tokens.Tokens(folder), tokens.make(folder, "sold")
    holder = check.holder(made)
    assert holder is not None
    check.bind(holder, SOLD)
    return SOLD


def test_a_machine_is_added_by_a_token_and_one_that_is_gone_is_removed(
    page: Page, served: Served, sold: str
):
    sign_in(page, "/hardware")
    idle(page, "Hardware")
    page.get_by_role("button", name="Add a Mac").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of the token", exact=True).fill("studio")
    dialog.get_by_label("Name of the token", exact=True).press("Enter")
    expect(dialog.get_by_text("the first that comes with the token")).to_be_visible()
    dialog.get_by_role("button", name="Make the token").click()
    expect(dialog.get_by_text("The controller takes it up within a second.")).to_be_visible()
    executor().execute_pending()
    expect(dialog.get_by_text("export MLOPS_AGENT_TOKEN=")).to_be_visible()
    expect(dialog.get_by_text("./mlops agent --join http://127.0.0.1:9470")).to_be_visible()
    shot(page, "hardware token made")
    dialog.get_by_role("button", name="Close").last.click()
    idle(page, "Hardware")
    assert [one.name for one in tokens.listed(served.home.secrets / tokens.FOLDER)] == [
        "sold",
        "studio",
    ]

    page.goto(f"/hardware?host={sold}&part=Machine")
    idle(page, sold)
    page.get_by_role("button", name="Remove this machine").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("They cannot be brought back")).to_be_visible()
    shot(page, "hardware removal asked")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(dialog.get_by_text("The controller takes it up within a second.")).to_be_visible()
    executor().execute_pending()
    expect(page.get_by_text(f"{sold} was removed.")).to_be_visible()
    idle(page, "Hardware")
    expect(page.get_by_role("link", name=RUNNER.host)).to_be_visible()
    assert page.get_by_role("link", name=sold).count() == 0
    assert "host=" not in page.url
    assert [one.name for one in tokens.listed(served.home.secrets / tokens.FOLDER)] == ["studio"]
