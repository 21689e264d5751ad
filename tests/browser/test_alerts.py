"""The page of alerts in a browser: acknowledged, silenced, a webhook added and tried, and back."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, expect

from services.actions.journal import Journal
from services.alerting import channels, deciding, store
from services.alerting.models import Policy
from services.controller.loops import Loop
from services.settings import Settings
from tests import alerts_seed, seed
from tests.alerts_seed import DRIFT, ENGINE, GONE, RUN
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
from tests.services.alerting import webhook
from tests.services.alerting.webhook import Hooks

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
TITLE = "Alerts"
DRIFTED = "The inputs of lora-finetuning drifted"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over alerts of every state, and who carries out what is asked of it."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        seed.fill(settings.mirror_url)
        journal = Journal.open(settings)
        alerts_seed.fill(journal, home)
        journal.close()
        with (
            deciding_and_acting(settings),
            alive(home, partial(seed.keep_fresh, settings.mirror_url)) as found,
        ):
            yield found


@contextmanager
def deciding_and_acting(settings: Settings) -> Iterator[None]:
    """Do as the controller does: execute what is asked for, decide about alerts."""
    journal, acting = Journal.open(settings), executor()

    def turn() -> bool:
        deciding.decide(journal, [], time.time(), Policy())
        return acting.execute_pending() > 0

    loop = Loop("controller", turn, 0.3)
    loop.start()
    try:
        yield
    finally:
        loop.stop(30)
    assert loop.health.crash is None


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with tab(browser, served, 1250) as found:
        yield found


def journal() -> Journal:
    return Journal.open(Settings())


def test_from_the_overview_to_an_alert_its_story_and_back(page: Page):
    sign_in(page, "/", name="viewer")
    idle(page, "Overview")
    shot(page, "alerts on the overview")
    card = page.get_by_text(DRIFTED)
    expect(card).to_be_visible()
    page.get_by_role("link", name="Alerts", exact=True).click()
    idle(page, TITLE)
    shot(page, "alerts inbox viewer")
    page.locator(".stHtml").get_by_role("link", name=DRIFTED).click()
    page.wait_for_url(re.compile(r"alert=\d+"))
    expect(page.get_by_role("heading", name="Its story")).to_be_visible()
    idle(page)
    expect(page.get_by_text("age: effect 0.62, from 0.1 on it counts")).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_disabled()
    shot(page, "alerts detail")
    page.reload()
    expect(page.get_by_role("heading", name="Its story")).to_be_visible()
    page.go_back()
    idle(page, TITLE)
    page.go_back()
    idle(page, "Overview")


def test_an_operator_acknowledges_in_the_dialog_while_the_list_draws_itself_anew(page: Page):
    sign_in(page, "/alerts?project=lora-finetuning", name="operator")
    idle(page, TITLE)
    number = alerts_seed.by_key(journal())[DRIFT].id
    card = page.locator(f".st-key-alert-row-{number}")
    card.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What you do about it").fill("I look at the column age")
    page.wait_for_timeout(4_000)  # the page is drawn again meanwhile, and closes no dialog
    expect(dialog).to_be_visible()
    shot(page, "alerts acknowledge")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(dialog.get_by_text("operator looks after it").first).to_be_visible()
    shot(page, "alerts acknowledged")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(card.get_by_text("operator looks after it: I look at the column age")).to_be_visible()
    assert store.alert(journal(), number).owner == "operator"


def test_several_are_ticked_and_silenced_with_a_reason(page: Page):
    sign_in(page, "/alerts?project=meta-learning-peft", name="operator")
    idle(page, TITLE)
    page.get_by_role("button", name=re.compile("Choose all")).click()
    expect(page.get_by_text("1 alert chosen")).to_be_visible()
    page.wait_for_timeout(4_000)  # what is ticked stays
    expect(page.get_by_text("1 alert chosen")).to_be_visible()
    shot(page, "alerts ticked")
    page.locator(".st-key-alerts-bar").get_by_role("button", name="Silence").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Silence")).to_be_disabled()
    dialog.get_by_label("Why? Others see it.").fill("Known.")
    dialog.get_by_label("Why? Others see it.").press("Enter")
    shot(page, "alerts silence")
    dialog.get_by_role("button", name="Silence").click()
    expect(dialog.get_by_text("Silence run/meta")).to_be_visible()
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    page.goto("/alerts?view=silences&project=meta-learning-peft")
    idle(page, TITLE)
    expect(page.get_by_text("It covers 1 open alert")).to_be_visible()
    shot(page, "alerts silences")
    page.get_by_role("button", name="End it").first.click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.get_by_role("dialog").get_by_text("it has ended").first).to_be_visible()


def test_an_admin_adds_a_webhook_of_this_machine_and_tries_it(page: Page):
    with webhook.running() as hooks:
        add_and_try(page, hooks)
        (path, body) = hooks.got[-1]
    assert path.startswith("/take")
    assert "Test of the channel team" in str(body)


def add_and_try(page: Page, hooks: Hooks) -> None:
    sign_in(page, "/alerts?view=channels", name="admin")
    idle(page, TITLE)
    shot(page, "alerts channels")
    page.get_by_role("button", name="Add a channel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("team")
    address = dialog.get_by_label("Address", exact=True)
    expect(address).to_have_attribute("type", "password")
    address.fill(hooks.address("take/secret-part"))
    address.press("Enter")
    dialog.get_by_text("Its address may be of a private network").click()
    expect(dialog.get_by_text("is told alerts of all projects")).to_be_visible()
    shot(page, "alerts channel add")
    dialog.get_by_role("button", name="Add it").click()
    expect(dialog.get_by_text("it is told from now on").first).to_be_visible()
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    idle(page, TITLE)
    assert "secret-part" not in page.content()
    page.locator(".st-key-channel-card-team").get_by_role("button", name="Test").click()
    page.get_by_role("dialog").get_by_role("button", name="Send it").click()
    expect(page.get_by_role("dialog").get_by_text("it arrived after").first).to_be_visible(
        timeout=30_000
    )
    shot(page, "alerts channel tried")
    page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).last.click()
    idle(page, TITLE)
    expect(
        page.locator(".st-key-channel-card-team").get_by_text("The last message arrived")
    ).to_be_visible()
    assert channels.channel(journal(), "team").private


VIEWS = (
    "", "view=timeline&range=6h", "view=silences", "view=channels", "view=history", "quiet=true",
)  # fmt: skip


@IN_WINDOWS
def test_every_view_fits_its_window_and_says_nothing_on_the_console(
    browser: Browser, served: Served, width: int, theme: str
):
    found = alerts_seed.by_key(journal())
    details = [f"alert={found[key].id}" for key in (ENGINE, GONE, RUN)]
    with window(browser, served, width, theme, 1100) as (page, fits):
        sign_in(page, "/alerts", name="operator")
        for query in (*VIEWS, *details):
            page.goto(f"/alerts?{query}")
            idle(page)
            fits(f"alerts {query or 'inbox'}")
