"""The routes beside the pages: a ticket becomes a cookie, and a cookie is taken back.

A script cannot set an HttpOnly cookie: it only talks over the page's websocket. So the sign-in page
gets a ticket that works once and for seconds, and posts it here.

``state`` is imported late: its caches belong to the running server.
"""

import functools
import hashlib
import logging
import os
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.security import from_own_page, own_path
from dashboard.sign_on_answers import IDENTITY_COOKIE
from services.errors import MlopsError
from services.home import Home

if TYPE_CHECKING:
    from starlette.requests import Request

logger = logging.getLogger(__name__)

SIGN_IN = "/auth/session"
SIGN_OUT = "/auth/sign-out"
_PROVIDER_SIGN_OUT = "/auth/logout"  # Streamlit's


def cookie_name() -> str:
    """Return the session cookie's name: one a home, for cookies do not tell ports apart."""
    return _cookie_name(os.environ.get("MLOPS_HOME"))


@functools.cache
def _cookie_name(home: str | None) -> str:
    """Look for the home once: live pages ask for the cookie with every drawing."""
    del home
    return f"mlops_{hashlib.sha256(str(Home.locate().root).encode()).hexdigest()[:10]}"


async def start_session(request: "Request") -> Response:
    """Turn a single-use ticket into the session cookie and go back to where the person was."""
    if not from_own_page(request):
        return _refusal("The request did not come from the sign-in page, so nothing was done.")
    from dashboard import state

    form = await request.form()
    try:
        cookie = await run_in_threadpool(state.access().redeem, str(form.get("ticket", ""))[:200])
    except MlopsError as error:
        logger.warning("A sign-in ticket was refused: %s", error)
        return _refusal(error.message)
    answer = RedirectResponse(own_path(str(form.get("next", "/"))), status_code=303)
    answer.set_cookie(
        cookie_name(),
        cookie,
        max_age=state.access().cookie_max_age_s,
        httponly=True,
        samesite="strict",
        secure=_is_https(request),
        path="/",
    )
    answer.headers["cache-control"] = "no-store"
    return answer


async def end_session(request: "Request") -> Response:
    """Revoke the session and take the cookie back."""
    if not from_own_page(request):
        return _refusal("The request did not come from this dashboard, so nothing was done.")
    from dashboard import state

    cookie = request.cookies.get(cookie_name(), "")
    if cookie:
        await run_in_threadpool(state.access().sign_out, cookie)
    answer = _onward(request)
    answer.delete_cookie(cookie_name(), path="/", httponly=True, samesite="strict")
    answer.headers["cache-control"] = "no-store"
    return answer


def _onward(request: "Request") -> Response:
    """Return the way to the sign-in page, by way of the identity provider if it vouched.

    Streamlit's route takes its identity cookie back and ends the session at the provider. A page
    leads there, for a browser lets no form be redirected to another host (``form-action``).
    """
    if IDENTITY_COOKIE not in request.cookies:
        return RedirectResponse("/", status_code=303)
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Signing out</title>"
        f"<meta http-equiv=refresh content='0;url={_PROVIDER_SIGN_OUT}'>"
        f"<p><a href='{_PROVIDER_SIGN_OUT}'>Sign out at the identity provider, too</a></p>"
    )


def _is_https(request: "Request") -> bool:
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"


def _refusal(sentence: str) -> HTMLResponse:
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sign-in</title>"
        "<body style='font:16px system-ui;margin:15vh auto;max-width:32rem;padding:1rem'>"
        f"<h1 style='font-size:1.3rem'>This sign-in did not work</h1><p>{sentence}</p>"
        "<p><a href='/'>Back to the sign-in page</a></p>"
    )
    return HTMLResponse(page, status_code=403, headers={"cache-control": "no-store"})


ROUTES = [
    Route(SIGN_IN, start_session, methods=["POST"]),
    Route(SIGN_OUT, end_session, methods=["POST"]),
]
