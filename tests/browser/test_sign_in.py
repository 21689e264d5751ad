import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Served, fill_in, idle, shot, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def test_a_deep_link_survives_sign_in_and_the_cookie_is_out_of_reach_of_scripts(
    page: Page, context: BrowserContext
):
    sign_in(page, "/projects?project=clip-finetuning&range=7d")

    idle(page, "Projects")
    assert "project=clip-finetuning" in page.url
    assert "range=7d" in page.url
    cookie = next(c for c in context.cookies() if c["name"].startswith("mlops_"))
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["name"] not in page.evaluate("document.cookie")


def test_a_wrong_password_is_a_sentence_and_the_page_behind_stays_hidden(page: Page):
    page.goto("/projects")
    fill_in(page, "admin", "wrong horse battery")

    expect(page.get_by_text("User name and password do not match")).to_be_visible()
    expect(page.get_by_role("heading", name="Projects")).to_have_count(0)
    shot(page, "sign-in refused")


def test_signing_out_ends_the_session_in_every_tab(page: Page, context: BrowserContext):
    sign_in(page, "/projects")
    other = context.new_page()
    other.goto("/projects")
    idle(other, "Projects")

    page.bring_to_front()
    page.locator(".st-key-account button").first.click()
    page.get_by_text("Sign out").click()

    expect(page.get_by_label("User name")).to_be_visible()
    expect(other.get_by_label("User name")).to_be_visible(timeout=15_000)
    assert not [c for c in context.cookies() if c["name"].startswith("mlops_")]


def test_a_cookie_from_before_the_sign_out_opens_nothing(page: Page, context: BrowserContext):
    sign_in(page, "/projects")
    stolen = context.cookies()
    page.locator(".st-key-account button").first.click()
    page.get_by_text("Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()

    context.add_cookies(stolen)  # type: ignore[arg-type]  # what came out goes in
    page.goto("/projects")

    expect(page.get_by_label("User name")).to_be_visible()


def test_another_sites_form_cannot_sign_anyone_in(page: Page, served: Served):
    answer = page.request.post(
        f"{served.url}/auth/session",
        form={"ticket": "x", "next": "/"},
        headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    )

    assert answer.status == 403
    assert "set-cookie" not in answer.headers
