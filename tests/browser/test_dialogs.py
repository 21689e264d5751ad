"""A dialog over a page that follows what changes stays until somebody closes it."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from services.actions.journal import Journal
from services.home import Home
from services.monitoring.store import VerdictStore
from services.settings import Settings
from tests import deployments_seed, monitoring_seed, seed
from tests.browser.conftest import PASSWORD, Served, alive, idle, sign_in, tab
from tests.monitoring_seed import CLIP

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
CHECKS = 9
FOLLOWED_MS = 6_000
"""A little longer than the page's follower waits between two looks."""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over six endpoints that were checked for two days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MLOPS_SERVING_ENABLED", "1")
        home = Home.locate()
        home.create()
        settings = Settings()
        seed.fill(settings.mirror_url)
        seed.people(settings, PASSWORD)
        monitoring_seed.fill(home, Journal.open(settings))
        with alive(
            home,
            partial(seed.keep_fresh, settings.mirror_url),
            partial(deployments_seed.keep_fresh, home),
        ) as served:
            yield served


@pytest.fixture
def page(browser: Browser, checked: Served) -> Iterator[Page]:
    with tab(browser, checked, 1250) as found:
        yield found


def kept_another(home: Home) -> None:
    """Keep one more check of the deployment, as the monitor does each hour."""
    store = VerdictStore(home)
    project, _, model = CLIP.partition(".")
    last = store.check(store.latest(project, model)[0].id)
    monitoring_seed.again(store, last, last[0].computed_at + 60.0)
    store.close()


@pytest.mark.parametrize("way", ["Cancel", "Escape"])
def test_another_check_closes_no_dialog_and_is_there_once_it_is_closed(
    page: Page, checked: Served, way: str
):
    before = CHECKS + (way == "Escape")
    sign_in(page, f"/monitoring?deployment={CLIP}&part=Retraining")
    idle(page, "clip-finetuning")
    expect(page.get_by_text(f"Check {before} of {before} checks")).to_be_visible()
    page.get_by_role("button", name="Propose to retrain").click()
    dialog = page.get_by_role("dialog")
    why = dialog.get_by_label("What is wrong with it?")
    why.press_sequentially("New digits come from")
    kept_another(checked.home)
    page.wait_for_timeout(FOLLOWED_MS)
    expect(dialog).to_be_visible()
    expect(why).to_have_value("New digits come from")
    why.press_sequentially(" a new scanner")
    expect(why).to_have_value("New digits come from a new scanner")
    expect(page.get_by_text(f"Check {before} of {before} checks")).to_be_visible()
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(f"Check {before + 1} of {before + 1} checks")).to_be_visible()


def test_a_baseline_that_is_being_chosen_stays_chosen(page: Page, checked: Served):
    sign_in(page, f"/monitoring?deployment={CLIP}")
    idle(page, "clip-finetuning")
    page.get_by_role("button", name="Baseline").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Weeks before", exact=True).click()
    weeks = dialog.get_by_label("Weeks back")
    weeks.fill("7")
    kept_another(checked.home)
    page.wait_for_timeout(FOLLOWED_MS)
    expect(weeks).to_have_value("7")
