"""The page of monitoring in a browser: read, followed, slid through time, reloaded, gone back."""

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from services.actions.journal import Journal
from services.home import Home
from services.settings import Settings
from tests import deployments_seed, monitoring_seed, seed
from tests.browser.conftest import PASSWORD, Served, alive, idle, shot, sign_in, tab
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
)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over six endpoints that were checked for a month."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MLOPS_SERVING_ENABLED", "1")
        home = Home.locate()
        home.create()
        settings = Settings()
        seed.fill(settings.mirror_url)
        seed.people(settings, PASSWORD)
        monitoring_seed.fill(home, Journal.open(settings), days=30.0)
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000])
def test_every_view_fits_its_window_and_says_nothing_on_the_console(
    browser: Browser, checked: Served, theme: str, width: int
):
    context = browser.new_context(
        viewport={"width": width, "height": 1250},
        color_scheme=theme,  # type: ignore[arg-type]  # one of the two words
        base_url=checked.url,
    )
    page = context.new_page()
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Streamlit tries its health route below a page's path before the root: a 404 it expects.
        if message.type == "error" and "404" not in message.text:
            said.append(message.text)

    page.on("console", listen)
    sign_in(page, "/monitoring")
    for address, heading in VIEWS:
        page.goto(f"/{address}")
        idle(page, heading)
        page.wait_for_timeout(300)  # charts are drawn after the page is
        shot(page, f"{address} {theme} {width}")
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, address
        expect(page.get_by_text("fault of its own")).to_have_count(0)
    assert not said
    context.close()


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
