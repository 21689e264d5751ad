import re
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from dashboard import signin, state
from dashboard.routes import ROUTES, SIGN_IN, SIGN_OUT, cookie_name
from dashboard.sign_on import identity
from services.actions import schema
from services.home import Home
from services.platform import sign_on
from tests.dashboard.asking import ask
from tests.pages.conftest import APP, PASSWORD, Open, words

ROUTED = Starlette(routes=ROUTES)
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def nobody(home: Home, signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The sign-in page of an installation with one account."""
    signed_in("operator")
    monkeypatch.setattr(state, "cookie", lambda: "")
    monkeypatch.setattr(state, "address", lambda: "192.0.2.7")
    posted: dict[str, str] = {}
    monkeypatch.setattr(signin, "_post", lambda path, **fields: posted.update(fields, path=path))
    app = AppTest.from_file(str(APP), default_timeout=20).run()
    app.session_state["posted"] = posted
    return app


def fill(app: AppTest, name: str, password: str) -> AppTest:
    app.text_input[0].set_value(name)
    app.text_input[1].set_value(password)
    return app.button[0].click().run()


def redeem(ticket: str, target: str = "/projects?range=7d", **headers: str) -> httpx.Response:
    data = {"ticket": ticket, "next": target}
    return ask(ROUTED, "POST", SIGN_IN, data=data, headers=OURS | headers)


def ticket() -> str:
    return state.access().sign_in("mira", PASSWORD, "127.0.0.1").value


def test_a_right_password_posts_a_ticket_and_sets_no_cookie_of_the_library(nobody: AppTest):
    posted = nobody.session_state["posted"]

    app = fill(nobody, "mira", PASSWORD)

    assert not app.exception
    assert posted["path"] == SIGN_IN
    assert redeem(posted["ticket"]).status_code == 303
    assert "authentication_status" not in app.session_state


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("mira", "wrong horse battery", "do not match"),
        ("nobody", PASSWORD, "do not match"),
        ("mira", "", "Enter both"),
        ("", PASSWORD, "Enter both"),
    ],
)
def test_what_does_not_sign_in_is_a_sentence(nobody: AppTest, name: str, password: str, said: str):
    app = fill(nobody, name, password)

    assert said in app.error[0].value
    assert not app.session_state["posted"]


def test_after_ten_failures_the_page_says_how_long_to_wait(nobody: AppTest):
    for _ in range(10):
        fill(nobody, "mira", "wrong horse battery")

    app = fill(nobody, "mira", PASSWORD)

    assert re.search(
        r"Too many failed sign\\?-ins[;:] try again in \d+ (seconds|min)", app.error[0].value
    )
    assert not app.session_state["posted"]


def test_a_ticket_becomes_a_cookie_scripts_cannot_read_and_leads_back(nobody: AppTest):
    answer = redeem(ticket())

    assert answer.status_code == 303
    assert answer.headers["location"] == "/projects?range=7d"
    sent = answer.headers["set-cookie"].lower()
    assert sent.startswith(f"{cookie_name()}=")
    assert "httponly" in sent
    assert "samesite=strict" in sent
    assert "secure" not in sent
    assert state.access().who(answer.cookies[cookie_name()]).name == "mira"


def test_over_https_the_cookie_is_for_https_only(nobody: AppTest):
    answer = redeem(ticket(), **{"X-Forwarded-Proto": "https"})

    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_ticket_works_once(nobody: AppTest):
    value = ticket()

    assert redeem(value).status_code == 303
    again = redeem(value)
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert "expired or was used" in again.text


def test_a_ticket_that_is_too_old_or_made_up_opens_nothing(nobody: AppTest):
    value = ticket()
    with state.journal().write() as connection:
        connection.execute(update(schema.sessions).values(expires_ms=1))

    for made in (value, "", "x" * 100_000):
        assert redeem(made).status_code == 403


def test_a_ticket_leads_to_this_server_only(nobody: AppTest):
    assert redeem(ticket(), "https://evil.example/").headers["location"] == "/"


def test_a_form_of_another_site_neither_signs_in_nor_out(nobody: AppTest, open_page: Open):
    value = ticket()

    assert redeem(value, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    foreign = ask(ROUTED, "POST", SIGN_OUT, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert redeem(value).status_code == 303


def test_signing_out_revokes_the_session_and_drops_the_cookie(home: Home, open_page: Open):
    open_page("projects")
    cookie = state.cookie()

    answer = ask(ROUTED, "POST", SIGN_OUT, headers=OURS | {"Cookie": f"{cookie_name()}={cookie}"})

    assert answer.status_code == 303
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert state.access().who(cookie) is None


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE sessions SET expires_ms = 1",
        "DELETE FROM sessions",
        "UPDATE users SET disabled = 1",
        "UPDATE users SET epoch = epoch + 1",
    ],
    ids=["expired", "signed out elsewhere", "disabled", "revoked by an admin"],
)
def test_a_session_that_ended_shows_the_sign_in_page_at_the_next_click(
    open_page: Open, ending: str
):
    app = open_page("projects")
    with state.journal().write() as connection:
        connection.exec_driver_sql(ending)

    app.run()

    assert app.title[0].value == "EfficientAI MLOps"
    assert "connected" not in words(app)


def test_a_changed_password_keeps_this_session_and_ends_the_others(
    open_page: Open, signed_in: Callable[..., str]
):
    other = signed_in()
    open_page("projects")

    state.access().change_password(state.cookie(), PASSWORD, "staple battery horse")

    assert state.who() is not None
    assert state.access().who(other) is None


def test_the_cookie_of_one_installation_is_not_taken_for_anothers(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    mine = cookie_name()
    monkeypatch.setenv("MLOPS_HOME", str(home.root / "other"))

    assert cookie_name() != mine


def configure(home: Home, **changed: str) -> None:
    values = {
        "redirect_uri": "http://127.0.0.1:{port}/oauth2callback",
        "cookie_secret": "c" * 32,
        "client_id": "dashboard",
        "client_secret": "s",
        "server_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
    } | changed
    lines = [f'{key} = "{value}"' for key, value in values.items()]
    sign_on.path(home).write_text("\n".join(["[auth]", *lines]))


def test_single_sign_on_is_offered_only_when_it_is_configured(nobody: AppTest, home: Home):
    assert [button.label for button in nobody.button] == ["Sign in"]

    configure(home)

    assert [button.label for button in nobody.run().button] == ["Sign in", "Single sign-on"]


def test_a_provider_that_does_not_answer_is_said_in_place_of_going_there(
    nobody: AppTest, home: Home
):
    configure(home)
    nobody.run()

    app = nobody.button[-1].click().run()

    assert "identity provider does not answer" in app.error[0].value
    fill(app, "mira", PASSWORD)
    assert app.session_state["posted"]["path"] == SIGN_IN


def test_a_configuration_that_cannot_work_is_said_without_its_secrets(nobody: AppTest, home: Home):
    configure(home, cookie_secret="short")

    app = nobody.run()

    assert [button.label for button in app.button] == ["Sign in"]
    assert "not set up correctly" in words(app)
    assert "sign-on.toml" not in words(app)


@pytest.mark.parametrize(
    ("claim", "verified"),
    [(True, True), ("true", True), (False, False), ("false", False), (1, True)],
)
def test_an_address_counts_as_verified_only_when_the_provider_says_so(
    claim: object, verified: bool
):
    said = {"email": "a@b.c", "email_verified": claim, "iss": "i", "sub": "s", "iat": 5}
    assert identity(said).verified is verified
    assert identity({"email": "a@b.c"}).verified is False


def test_each_sign_in_at_the_provider_is_told_from_every_other():
    one = {"iss": "i", "sub": "s", "nonce": "n", "iat": 5}
    others = [one | {key: f"{one[key]}1"} for key in one]
    assert len({identity(said).sign_in for said in (one, *others)}) == 5
    assert identity({"iat": "soon"}).issued_s == 0


def test_signing_out_goes_by_way_of_the_provider_that_vouched(home: Home, open_page: Open):
    open_page("projects")
    cookies = f"{cookie_name()}={state.cookie()}; _streamlit_user=x"

    answer = ask(ROUTED, "POST", SIGN_OUT, headers=OURS | {"Cookie": cookies})

    assert "url=/auth/logout" in answer.text
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert state.access().who(state.cookie()) is None
