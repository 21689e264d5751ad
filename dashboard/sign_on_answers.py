"""Streamlit's own sign-on routes fail in silence or as bare text: here they lead to a sentence.

They lead back to the sign-in page with what happened in the address; ``sign_on`` says it.
"""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PARAMETER = "sign-on"
UNREACHABLE = "unreachable"
REFUSED = "refused"
FAILED = "failed"
IDENTITY_COOKIE = "_streamlit_user"
_LOGIN = "/auth/login"
_CALLBACK = "/oauth2callback"
_KEPT = {b"set-cookie", b"vary"}


class SignOnAnswers:
    """ASGI middleware that turns a sign-on that went wrong into the way back."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on; put a redirect in place of an answer nobody can use."""
        if scope["type"] != "http" or scope["path"] not in {_LOGIN, _CALLBACK}:
            await self._app(scope, receive, send)
            return
        replaced = False

        async def answer(message: "Message") -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                ending = _ending(scope, message)
                if ending:
                    replaced = True
                    await send(_way_back(message, ending))
                    await send({"type": "http.response.body", "body": b""})
            if not replaced:
                await send(message)

        await self._app(scope, receive, answer)


def _ending(scope: "Scope", answer: "Message") -> str:
    """Return how the sign-on ended when it ended badly, empty otherwise."""
    if scope["path"] == _LOGIN:
        return UNREACHABLE if answer["status"] >= 400 else ""
    asked = parse_qs(scope["query_string"].decode("latin-1"))
    if "error" in asked:
        return REFUSED
    # Without a code it is the way back from signing out at the provider.
    return FAILED if "code" in asked and not _names_somebody(answer) else ""


def _names_somebody(answer: "Message") -> bool:
    given, taken_back = f"{IDENTITY_COOKIE}=", f'{IDENTITY_COOKIE}=""'
    cookies = [
        value.decode("latin-1") for name, value in answer["headers"] if name == b"set-cookie"
    ]
    return any(one.startswith(given) and not one.startswith(taken_back) for one in cookies)


def _way_back(answer: "Message", ending: str) -> "Message":
    kept = [(name, value) for name, value in answer["headers"] if name.lower() in _KEPT]
    location = f"/?{PARAMETER}={ending}".encode()
    headers = [*kept, (b"location", location), (b"content-length", b"0")]
    return {"type": "http.response.start", "status": 303, "headers": headers}
