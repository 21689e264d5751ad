import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dashboard.security import HEADERS, SecurityHeaders, from_own_page, own_path
from tests.dashboard.asking import ask


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def test_every_answer_carries_the_headers_but_keeps_its_own():
    def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Referrer-Policy": "no-referrer"})

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(SecurityHeaders)])

    for answer in (ask(app, "GET", "/"), ask(app, "GET", "/missing")):
        assert set(HEADERS) <= set(answer.headers)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert ask(app, "GET", "/").headers.get_list("referrer-policy") == ["no-referrer"]


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "cross-site", "origin": "http://a:1", "host": "a:1"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"origin": "http://a:1", "host": "a:1"}, True),
        ({"origin": "http://b:1", "host": "a:1"}, False),
        ({"origin": "null", "host": "a:1"}, False),
        ({"host": "a:1"}, False),
        ({}, False),
    ],
)
def test_a_form_counts_only_when_our_own_page_sent_it(headers: dict[str, str], own: bool):
    assert from_own_page(request(**headers)) is own


@pytest.mark.parametrize("target", ["/", "/projects", "/run?run=a&range=7d", "/x?next=//evil"])
def test_a_path_of_ours_is_kept(target: str):
    assert own_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "projects",
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\n/evil",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/" + "x" * 5_000,
    ],
)
def test_what_could_lead_elsewhere_becomes_the_start_page(target: str):
    assert own_path(target) == "/"
