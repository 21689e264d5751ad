"""The route of Evidently's full reports: for people who are signed in, in a sandbox.

A report is a document with scripts of its own and with values that strangers sent to a model. So it
runs under an origin of its own (``sandbox``, without ``allow-same-origin``): it reads no cookie, no
page of ours, and reaches no network. Our pages may show it in a frame.
"""

import html
import logging
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.errors import GoneError, MlopsError, NotFoundError
from services.home import Home
from services.monitoring import full_report

if TYPE_CHECKING:
    from starlette.requests import Request

    from services.access import User

logger = logging.getLogger(__name__)

PREFIX = "/monitoring/report/"
_SANDBOX = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval'",  # one file: its library is written in it
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
_REPORT = {
    "content-security-policy": _SANDBOX,
    "x-frame-options": "SAMEORIGIN",
    # By the HTML standard a document that is sandboxed and cuts its ties to its opener is an error.
    "cross-origin-opener-policy": "unsafe-none",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_WORDS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
}


async def show(request: "Request") -> Response:
    """Answer with the full report of a check, or with a sentence why there is none."""
    verdict_id = request.path_params["verdict_id"]
    try:
        person = await run_in_threadpool(_who, request)
        if person is None:
            return _nobody(request, verdict_id)
        content = await run_in_threadpool(_read, verdict_id, person)
    except GoneError as error:
        return _said(410, "This report is kept no longer", error)
    except NotFoundError as error:
        return _said(404, "There is no such report", error)
    except MlopsError as error:
        _forget()
        logger.warning("The full report of a check could not be shown: %s", error)
        return _said(503, "The report cannot be shown now", error)
    return Response(content, media_type="text/html", headers=_REPORT)


def _who(request: "Request") -> "User | None":
    from dashboard import state
    from dashboard.routes import cookie_name

    cookie = request.cookies.get(cookie_name(), "")
    return state.access().who(cookie) if cookie else None


def _read(verdict_id: str, person: "User") -> bytes:
    from dashboard import state

    return full_report.read(Home.locate(), state.verdicts(), verdict_id, person.projects)


def _forget() -> None:
    """Open the index anew the next time: a damaged one is made again then."""
    from dashboard import state

    state.verdicts.clear()


def _nobody(request: "Request", verdict_id: str) -> Response:
    """Answer who is not signed in, or whose browser keeps the cookie back.

    It does so on a link of another site or of an e-mail (``SameSite=Strict``). A page of ours that
    leads here at once is no other site any more.
    """
    if request.headers.get("sec-fetch-site") == "cross-site" and full_report.is_id(verdict_id):
        again = f"{PREFIX}{verdict_id}"
        lead = f"<meta http-equiv=refresh content='0;url={again}'>"
        return _page(200, "Opening the report", f"<a href='{again}'>Open it.</a>", lead)
    where = "<a href='/monitoring'>Sign in on the Monitoring page</a>, then open the report again."
    return _page(401, "You are not signed in", where)


def _said(status: int, title: str, error: MlopsError) -> Response:
    told = html.escape(f"{error.message} {error.hint}".strip())
    return _page(status, title, f"{told}</p><p><a href='/monitoring'>To the Monitoring page</a>")


def _page(status: int, title: str, told: str, head: str = "") -> Response:
    """Return a page of a title and a paragraph, whose HTML is ours."""
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>{head}"
        "<meta name=viewport content='width=device-width'>"
        "<style>:root{color-scheme:light dark}body{font:16px system-ui;margin:15vh auto;"
        "max-width:34rem;padding:1rem}h1{font-size:1.3rem}</style>"
        f"<h1>{title}</h1><p>{told}</p>"
    )
    return HTMLResponse(page, status_code=status, headers=_WORDS)


ROUTES = [Route(f"{PREFIX}{{verdict_id}}", show, methods=["GET"])]
