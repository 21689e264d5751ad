"""The route of kept reports: for people who are signed in and see what the report is of.

A report is a document without scripts, but it quotes what strangers named. So it is shown in a
sandbox, under an origin of its own that may run, send and fetch nothing. ``?download`` saves it.
"""

import html
import logging
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.reports import kept
from services.reports.kept import Kept

if TYPE_CHECKING:
    from starlette.requests import Request

    from services.access import User

logger = logging.getLogger(__name__)

PREFIX = "/reports/"
DOWNLOAD = "download"
_OURS = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_REPORT = {
    "content-security-policy": f"sandbox; {_OURS}",
    # A browser shows no document that is sandboxed and cuts its ties to its opener at once.
    "cross-origin-opener-policy": "unsafe-none",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_WORDS = {"content-security-policy": _OURS, "cache-control": "no-store"}


async def show(request: "Request") -> Response:
    """Answer with a report, or with a sentence why there is none."""
    name = str(request.path_params["name"])
    try:
        person = await run_in_threadpool(_who, request)
        if person is None:
            return _nobody(request, name)
        found, content = await run_in_threadpool(_read, name, person)
    except NotFoundError as error:
        return _said(404, "There is no such report", error)
    except MlopsError as error:
        logger.warning("A report could not be shown: %s", error)
        return _said(503, "The report cannot be shown now", error)
    saved = {}
    if DOWNLOAD in request.query_params:
        saved = {"content-disposition": f'attachment; filename="{found.file_name}"'}
    return Response(content, media_type="text/html", headers={**_REPORT, **saved})


def _who(request: "Request") -> "User | None":
    from dashboard import state
    from dashboard.routes import cookie_name

    cookie = request.cookies.get(cookie_name(), "")
    return state.access().who(cookie) if cookie else None


def _read(name: str, person: "User") -> tuple[Kept, bytes]:
    return kept.content(Home.locate(), name, person.projects)


def _nobody(request: "Request", name: str) -> Response:
    """Answer who is not signed in, or whose browser keeps the cookie back.

    It does so on a link of another site or of an e-mail (``SameSite=Strict``). A page of ours that
    leads here at once is no other site any more.
    """
    if request.headers.get("sec-fetch-site") == "cross-site" and kept.is_name(name):
        again = f"{PREFIX}{name}"
        lead = f"<meta http-equiv=refresh content='0;url={again}'>"
        return _page(200, "Opening the report", f"<a href='{again}'>Open it.</a>", lead)
    where = "<a href='/'>Sign in on the Overview</a>, then open the report again."
    return _page(401, "You are not signed in", where)


def _said(status: int, title: str, error: MlopsError) -> Response:
    told = html.escape(f"{error.message} {error.hint}".strip())
    return _page(status, title, f"{told}</p><p><a href='/'>To the Overview</a>")


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


ROUTES = [Route(f"{PREFIX}{{name}}", show, methods=["GET"])]
