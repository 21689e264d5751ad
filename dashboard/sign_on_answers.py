"""What Streamlit's own sign-on routes answer, led to where the person wants to be.

They forget the page the person came from, and they fail in silence or as bare text. Here the page
is kept in a cookie, and a failure leads to the sign-in page, where ``sign_on`` says it.
"""

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard.security import own_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PARAMETER = "sign-on"
UNREACHABLE = "unreachable"
REFUSED = "refused"
FAILED = "failed"
IDENTITY_COOKIE = "_streamlit_user"
_LOGIN = "/auth/login"
_CALLBACK = "/oauth2callback"
_WANTED = "sign_on_next"
_AT_THE_PROVIDER_S = 600


class SignOnAnswers:
    """ASGI middleware round the two routes that lead to the provider and back."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on; lead its answer on, or put the way back in its place."""
        if scope["type"] != "http" or scope["path"] not in {_LOGIN, _CALLBACK}:
            await self._app(scope, receive, send)
            return
        request, replaced = Request(scope), False

        async def answer(message: "Message") -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                ending = _ending(request, message["status"], headers)
                if ending:
                    replaced = True
                    await _way_back(request, ending, headers)(scope, receive, send)
                else:
                    _lead(request, headers)
            if not replaced:
                await send(message)

        await self._app(scope, receive, answer)


def _ending(request: Request, status: int, headers: MutableHeaders) -> str:
    """Return how the sign-on ended when it ended badly, empty otherwise."""
    if request.url.path == _LOGIN:
        return UNREACHABLE if status >= 400 else ""
    if "error" in request.query_params:
        return REFUSED
    return FAILED if _was_sent(request) and not _names_somebody(headers) else ""


def _was_sent(request: Request) -> bool:
    """Return whether the provider sent somebody; it is also the way back from signing out there."""
    return "code" in request.query_params


def _names_somebody(headers: MutableHeaders) -> bool:
    given, taken_back = f"{IDENTITY_COOKIE}=", f'{IDENTITY_COOKIE}=""'
    cookies = headers.getlist("set-cookie")
    return any(one.startswith(given) and not one.startswith(taken_back) for one in cookies)


def _lead(request: Request, headers: MutableHeaders) -> None:
    """Keep the page the person is on, or go back to the one that was kept."""
    if request.url.path == _LOGIN:
        keeping = Response()
        keeping.set_cookie(
            _WANTED,
            quote(_wanted(request), safe=""),
            max_age=_AT_THE_PROVIDER_S,
            path=_CALLBACK,
            httponly=True,
            samesite="lax",  # the provider, another site, leads to where it is read
        )
        headers.append("set-cookie", keeping.headers["set-cookie"])
    elif _was_sent(request):
        headers["location"] = _wanted(request)


def _wanted(request: Request) -> str:
    """Return the page of ours the person wants."""
    if request.url.path == _CALLBACK:
        return own_path(unquote(request.cookies.get(_WANTED, "/")))
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if page.netloc != request.headers.get("host"):
        return "/"
    return own_path(f"{page.path}?{page.query}" if page.query else page.path)


def _way_back(request: Request, ending: str, headers: MutableHeaders) -> Response:
    """Return a redirect to the page the person wants, with what happened, for the sign-in page."""
    wanted = _wanted(request)
    joint = "&" if "?" in wanted else "?"
    answer = RedirectResponse(f"{wanted}{joint}{PARAMETER}={ending}", status_code=303)
    for cookie in headers.getlist("set-cookie"):
        answer.headers.append("set-cookie", cookie)
    return answer
