"""Single sign-on against a real OpenID Connect provider, on a host of its own for the browser."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from services.access import Access, store
from services.actions.journal import Journal
from services.platform import sign_on
from services.settings import Settings
from tests import seed
from tests.browser.conftest import (
    PASSWORD,
    Served,
    fill_in,
    free_port,
    idle,
    installed,
    serving,
    shot,
)
from tests.live import eventually

LIGHT = "/projects?range=7d"
pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

VERIFIED = {
    "ann": "Ann@Example.org",
    "sam": "sam@example.org",
    "gone": "gone@example.org",
    "stranger": "stranger@example.org",
}
CLAIMS = [
    *({"sub": who, "email": at, "email_verified": True} for who, at in VERIFIED.items()),
    {"sub": "unverified", "email": "ann@example.org", "email_verified": False},
]


@dataclass
class Provider:
    """A provider in a process of its own, which can be away."""

    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        claims = [part for one in CLAIMS for part in ("--user-claims", json.dumps(one))]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(self.port),
             "--host", "localhost", "--require-nonce", "true", *claims],
            env=os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(self.url, timeout=2).status_code == 200
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=15)
            self.process = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        yield
        self.start()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Served]:
    """An installation that knows the provider and three of its people."""
    with installed(tmp_path_factory.mktemp("home")) as (home, settings):
        configuration = sign_on.path(home)
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{os.urandom(32).hex()}"
client_id = "dashboard"
client_secret = "{os.urandom(16).hex()}"
server_metadata_url = "{provider.url}/.well-known/openid-configuration"
"""
        )
        seed.fill(settings.mirror_url)
        journal = Journal.open(settings)
        store.insert(journal, "ann@example.org", "x", "approver", None)
        store.insert(journal, "sam@example.org", "x", "viewer", ("clip-finetuning",))
        store.insert(journal, "gone@example.org", "x", "operator", None)
        store.change(journal, "gone@example.org", disabled=True)
        with serving(home) as url:
            yield Served(url, home)


@pytest.fixture(scope="module")
def profile(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """One profile for all: the next test finds the scripts of the page where the last left them."""
    made = browser.new_context(
        viewport={"width": 1440, "height": 960}, color_scheme="light", base_url=served.url
    )
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def context(profile: BrowserContext) -> Iterator[BrowserContext]:
    yield profile
    for page in profile.pages:
        page.close()
    profile.clear_cookies()


def ask_provider(page: Page, path: str = LIGHT, clicks: int = 1) -> None:
    """Go to a path as nobody and from there to the provider."""
    page.goto(path)
    to_provider(page, clicks)


def to_provider(page: Page, clicks: int = 1) -> None:
    idle(page)
    page.get_by_role("button", name="Single sign-on").click(click_count=clicks)
    expect(page.get_by_role("heading", name="Authorize Client")).to_be_visible()


def sign_on_as(page: Page, who: str, path: str = LIGHT, clicks: int = 1) -> None:
    ask_provider(page, path, clicks)
    page.get_by_role("button", name=who, exact=True).click()


def signed_in(page: Page) -> None:
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    idle(page)


def sign_out(page: Page) -> None:
    page.locator(".st-key-account button").first.click()
    page.get_by_text("Sign out").click()


def sessions_of(name: str) -> int:
    access = Access.open(Settings())
    return sum(session.user == name for session in access.sessions())


def nobody(page: Page, context: BrowserContext) -> None:
    """See the sign-in page, with nothing behind it."""
    expect(page.get_by_label("User name")).to_be_visible()
    idle(page)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    expect(page.get_by_text("Signed in as")).to_have_count(0)
    assert not [one for one in context.cookies() if one["name"].startswith("mlops_")]


def test_a_verified_address_signs_in_as_its_account_with_its_role(
    page: Page, context: BrowserContext
):
    sign_on_as(page, "ann")

    signed_in(page)
    idle(page, "Projects")
    assert page.url.endswith(LIGHT)  # where it began
    expect(page.get_by_text("Signed in as approver", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="ann@example.org")).to_be_visible()
    ours = next(one for one in context.cookies() if one["name"].startswith("mlops_"))
    assert ours["httpOnly"]
    assert ours["sameSite"] == "Strict"


def test_a_double_click_signs_a_scoped_account_in_once_and_it_sees_its_scope(page: Page):
    sign_on_as(page, "sam", f"{LIGHT}&project=lora-finetuning", clicks=2)

    signed_in(page)
    assert sessions_of("sam@example.org") == 1
    expect(page.get_by_text("Signed in as viewer · 1 project")).to_be_visible()
    expect(page.get_by_text("or it is not in your scope")).to_be_visible()


REFUSALS = {
    "stranger": "stranger@example.org has no account here. Ask an admin",
    "gone": "The account gone@example.org is disabled here",
    "unverified": "has not verified that ann@example.org is yours",
}


def test_who_does_not_get_in_is_told_why_and_can_use_the_form(page: Page, context: BrowserContext):
    page.goto(LIGHT)
    for who, said in REFUSALS.items():
        to_provider(page)
        page.get_by_role("button", name=who, exact=True).click()
        expect(page.get_by_text(said)).to_be_visible()
        nobody(page, context)
    shot(page, "single sign-on refused")
    fill_in(page, "viewer", PASSWORD)
    signed_in(page)
    expect(page.get_by_text("Signed in as viewer", exact=True)).to_be_visible()


def test_signing_out_ends_it_here_and_at_the_provider_and_nothing_brings_it_back(
    page: Page, context: BrowserContext, served: Served
):
    sign_on_as(page, "ann")
    signed_in(page)
    before = context.cookies()

    sign_out(page)

    expect(page.get_by_role("heading", name="End Session")).to_be_visible()
    expect(page.get_by_text("id_token_hint", exact=True)).to_be_attached()
    names = {one["name"] for one in context.cookies()}
    assert not {name for name in names if name.startswith(("mlops_", "_streamlit_user"))}
    page.get_by_role("button", name="End session").click()
    nobody(page, context)
    ours = 0
    for _ in range(4):  # past the provider and what was on the page before
        page.go_back()
        if page.url.startswith(served.url):
            ours += 1
            expect(page.get_by_label("User name")).to_be_visible()
            idle(page)
        expect(page.get_by_text("Signed in as")).to_have_count(0)
    assert ours > 1
    context.add_cookies(before)  # type: ignore[arg-type]  # what came out goes in
    page.goto("/projects")
    expect(page.get_by_label("User name")).to_be_visible()
    idle(page)
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)


def test_a_session_the_admin_revokes_is_out_at_once_and_stays_out(page: Page, served: Served):
    sign_on_as(page, "ann")
    signed_in(page)

    journal = Journal.open(Settings())
    store.change(journal, "ann@example.org", end_sessions=True)

    expect(page.get_by_label("User name")).to_be_visible(timeout=15_000)
    page.reload()
    idle(page)
    expect(page.get_by_label("User name")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)


def test_a_provider_that_is_away_stops_no_sign_out_and_is_said_beside_a_form_that_works(
    page: Page, context: BrowserContext, provider: Provider
):
    sign_on_as(page, "ann")
    signed_in(page)

    with provider.away():
        sign_out(page)
        nobody(page, context)
        assert not [one for one in context.cookies() if one["name"].startswith("_streamlit_user")]
        page.get_by_role("button", name="Single sign-on").click()
        expect(page.get_by_text("The identity provider does not answer")).to_be_visible()
        nobody(page, context)
        shot(page, "single sign-on provider away")
        fill_in(page, "viewer", PASSWORD)
        signed_in(page)


def test_what_goes_wrong_at_the_provider_leads_back_to_a_sentence(
    page: Page, context: BrowserContext, provider: Provider
):
    ask_provider(page)
    begun = re.search(r"state=([\w-]+)", page.url)
    assert begun is not None
    with provider.away():
        page.goto(f"/oauth2callback?code=x&state={begun[1]}")
        expect(page.get_by_text("Single sign-on was not completed")).to_be_visible()
        nobody(page, context)
    assert page.url.endswith(LIGHT)

    to_provider(page)
    page.get_by_role("button", name="Deny").click()

    expect(page.get_by_text("The identity provider did not sign you in")).to_be_visible()
    nobody(page, context)


def test_on_another_name_of_this_host_the_page_says_where_single_sign_on_works(
    page: Page, served: Served
):
    page.goto(served.url.replace("127.0.0.1", "localhost"))
    idle(page)

    expect(page.get_by_text(f"open the dashboard at {served.url}")).to_be_visible()
    expect(page.get_by_role("button", name="Single sign-on")).to_have_count(0)
