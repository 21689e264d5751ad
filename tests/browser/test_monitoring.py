"""The page of monitoring in a browser: read, followed, slid through time, reloaded, gone back."""

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from services.actions.journal import Journal
from tests import deployments_seed, monitoring_seed, retraining_seed, seed
from tests.browser.conftest import (
    IN_WINDOWS,
    Served,
    alive,
    idle,
    installed,
    shot,
    sign_in,
    tab,
    window,
)
from tests.monitoring_seed import CLIP, LORA, PIXELS, TEXT

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
PAGE = "Monitoring"
VIEWS = (
    ("monitoring", PAGE),
    (f"monitoring?deployment={LORA}", "lora-finetuning"),
    (f"monitoring?deployment={LORA}&part=Accuracy", "lora-finetuning"),
    (f"monitoring?deployment={TEXT}&part=Quality", "quantized-optimization"),
    (f"monitoring?deployment={CLIP}&column=output.label", "clip-finetuning"),
    (f"monitoring?deployment={PIXELS}&version=2", "cpu-compression"),
    ("monitoring?deployment=meta-learning-peft.meta-learning-peft", "meta-learning-peft"),
    ("monitoring?view=retrainings", PAGE),
    ("monitoring?retraining=4", "Retraining 4"),
    ("monitoring?retraining=8", "Retraining 8"),
)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over six endpoints that were checked for a month."""
    folder = tmp_path_factory.mktemp("home")
    with installed(folder, MLOPS_SERVING_ENABLED="1") as (home, settings):
        seed.fill(settings.mirror_url)
        journal = Journal.open(settings)
        monitoring_seed.fill(home, journal, days=30.0)
        retraining_seed.fill(journal)
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


@IN_WINDOWS
def test_every_view_fits_its_window_and_says_nothing_on_the_console(
    browser: Browser, checked: Served, width: int, theme: str
):
    with window(browser, checked, width, theme, 1250) as (page, fits):
        sign_in(page, "/monitoring")
        for address, heading in VIEWS:
            page.goto(f"/{address}")
            idle(page, heading)
            page.wait_for_timeout(300)  # charts are drawn after the page is
            fits(address)


def test_from_the_matrix_to_a_column_and_back(page: Page):
    sign_in(page, "/monitoring", name="viewer")
    idle(page, PAGE)
    page.get_by_role("button", name="drifted", exact=True).click()
    page.wait_for_url(re.compile("state=drifted"))
    idle(page, PAGE)
    expect(page.get_by_text("2 of 7 versions in service")).to_be_visible()
    page.get_by_role("link", name="lora-finetuning", exact=True).click()
    page.wait_for_url(re.compile(re.escape(LORA)))
    idle(page, "lora-finetuning")
    expect(page.get_by_text("3 of 10 inputs moved from").first).to_be_visible()
    page.get_by_role("link", name="mean smoothness", exact=True).click()
    page.wait_for_url(re.compile("column=input.mean"))
    idle(page, "lora-finetuning")
    expect(page.get_by_text("mean smoothness is as it was").first).to_be_visible()
    page.go_back()
    idle(page, "lora-finetuning")
    expect(page.get_by_text("worst concave points moved").first).to_be_visible()
    page.go_back()
    idle(page, PAGE)
    expect(page.get_by_text("2 of 7 versions in service")).to_be_visible()


def test_the_slider_moves_the_whole_page_and_the_address_keeps_it(page: Page):
    sign_in(page, f"/monitoring?deployment={LORA}", name="viewer")
    idle(page, "lora-finetuning")
    slider = page.get_by_role("slider", name="Check")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_url(re.compile("verdict="))
    idle(page, "lora-finetuning")
    expect(page.get_by_text("Check 1 of 23 checks")).to_be_visible()
    expect(page.get_by_text("You look at an earlier check.")).to_be_visible()
    expect(page.get_by_text("0 of 10 columns moved")).to_be_visible()
    shot(page, "monitoring slid")
    page.reload()
    idle(page, "lora-finetuning")
    expect(page.get_by_text("Check 1 of 23 checks")).to_be_visible()
    page.get_by_role("link", name="The one after").click()
    idle(page, "lora-finetuning")
    expect(page.get_by_text("Check 2 of 23 checks")).to_be_visible()
    page.go_back()
    idle(page, "lora-finetuning")
    expect(page.get_by_text("Check 1 of 23 checks")).to_be_visible()
    page.get_by_role("radio", name="Accuracy").click()
    page.wait_for_url(re.compile("part=Accuracy"))
    idle(page, "lora-finetuning")
    assert "verdict=" in page.url
    page.get_by_role("link", name="The newest").click()
    idle(page, "lora-finetuning")
    assert "verdict=" not in page.url
    assert "part=Accuracy" in page.url
    expect(page.get_by_text("Check 23 of 23 checks")).to_be_visible()


def test_a_new_check_is_drawn_by_itself(page: Page, checked: Served):
    from services.monitoring.store import VerdictStore

    sign_in(page, f"/monitoring?deployment={CLIP}", name="viewer")
    idle(page, "clip-finetuning")
    expect(page.get_by_text("Check 121 of 121 checks")).to_be_visible()
    store = VerdictStore(checked.home)
    project, _, model = CLIP.partition(".")
    last = store.check(store.latest(project, model)[0].id)
    monitoring_seed.again(store, last, last[0].computed_at + 200.0)
    store.close()
    expect(page.get_by_text("Check 122 of 122 checks")).to_be_visible(timeout=15_000)
