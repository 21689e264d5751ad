import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard.sign_on_answers import SignOnAnswers
from tests.dashboard.asking import ask

HERE = "http://127.0.0.1:8501"


def login(request: Request) -> Response:
    if "down" in request.query_params:
        return Response("Authentication error", status_code=400)
    return RedirectResponse("https://provider.example/authorize", status_code=302)


def callback(request: Request) -> Response:
    answer = RedirectResponse("/", status_code=302)
    answer.set_cookie("other", "kept")
    if request.query_params.get("code") == "good":
        answer.set_cookie("_streamlit_user", "somebody")
    else:
        answer.delete_cookie("_streamlit_user")
    return answer


APP = Starlette(
    routes=[Route("/auth/login", login), Route("/oauth2callback", callback), Route("/x", login)],
    middleware=[Middleware(SignOnAnswers)],
)


def wanted(referer: str) -> str:
    """Return the page that is kept of the one a person comes from."""
    answer = ask(APP, "GET", "/auth/login", headers={"Referer": referer})
    assert answer.headers["location"] == "https://provider.example/authorize"
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "path=/oauth2callback" in cookie.lower()
    return cookie.split(";")[0]


def test_the_page_a_person_came_from_is_where_the_provider_leads_back_to():
    kept = wanted(f"{HERE}/projects?range=7d&project=a;b")

    back = ask(APP, "GET", "/oauth2callback?code=good&state=s", headers={"Cookie": kept})

    assert back.headers["location"] == "/projects?range=7d&project=a;b"
    assert any("somebody" in one for one in back.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "referer", ["", "https://evil.example/projects", f"{HERE}//evil.example", "http://[bad"]
)
def test_a_page_that_is_not_ours_is_not_kept(referer: str):
    assert wanted(referer) == "sign_on_next=%2F"


@pytest.mark.parametrize("kept", ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%00", ""])
def test_a_cookie_leads_to_this_server_only(kept: str):
    headers = {"Cookie": f"sign_on_next={kept}"}
    back = ask(APP, "GET", "/oauth2callback?code=good&state=s", headers=headers)
    assert back.headers["location"] == "/"


@pytest.mark.parametrize(
    ("query", "ending"),
    [("code=bad&state=s", "failed"), ("error=access_denied&state=s", "refused")],
)
def test_what_went_wrong_at_the_provider_is_in_the_address_of_the_page(query: str, ending: str):
    headers = {"Cookie": "sign_on_next=%2Fprojects%3Frange%3D7d"}
    back = ask(APP, "GET", f"/oauth2callback?{query}", headers=headers)

    assert back.status_code == 303
    assert back.headers["location"] == f"/projects?range=7d&sign-on={ending}"
    assert any(one.startswith("other=kept") for one in back.headers.get_list("set-cookie"))


def test_a_provider_that_cannot_be_asked_leads_back_instead_of_to_bare_text():
    answer = ask(APP, "GET", "/auth/login?down=1", headers={"Referer": f"{HERE}/projects"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/projects?sign-on=unreachable"
    assert answer.content == b""


def test_the_way_back_from_signing_out_at_the_provider_is_no_failure():
    assert ask(APP, "GET", "/oauth2callback").headers["location"] == "/"


def test_other_addresses_are_left_alone():
    assert ask(APP, "GET", "/x?down=1").status_code == 400
