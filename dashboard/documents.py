"""Routes of kept HTML documents: for people who are signed in, each in a sandbox.

A document quotes what strangers named or sent. So it is shown under an origin of its own
(``sandbox``, without ``allow-same-origin``): it reads no cookie, no page of ours, and reaches no
network.
"""

import html
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.errors import GoneError, MlopsError, NotFoundError

if TYPE_CHECKING:
    from starlette.requests import Request

    from services.access import User

logger = logging.getLogger(__name__)

DOWNLOAD = "download"
_WORDS = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors {}"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A document that may be shown."""

    content: bytes
    file_name: str
    """Under which it is saved."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of documents, by their names; ``?download`` saves one."""

    prefix: str
    """Of the address, before the name."""
    home: tuple[str, str]
    """The page they belong to: its address, and how it is called after "the"."""
    is_name: Callable[[str], bool]
    read: Callable[[str, "User"], Found]
    """(name, person) → the document. Raises ``NotFoundError``, ``GoneError`` or another of ours."""
    policy: str
    """Its Content-Security-Policy."""
    framed: bool = False
    """Whether our pages may show it in a frame."""

    @property
    def routes(self) -> list[Route]:
        """Return what the server answers."""
        return [Route(f"{self.prefix}{{name}}", self.show, methods=["GET"])]

    async def show(self, request: "Request") -> Response:
        """Answer with a document, or with a sentence why there is none."""
        name = str(request.path_params["name"])
        try:
            person = await run_in_threadpool(_who, request)
            if person is None:
                return self._nobody(request, name)
            found = await run_in_threadpool(self.read, name, person)
        except GoneError as error:
            return self._said(410, "This report is kept no longer", error)
        except NotFoundError as error:
            return self._said(404, "There is no such report", error)
        except MlopsError as error:
            logger.warning("A report could not be shown: %s", error)
            return self._said(503, "The report cannot be shown now", error)
        headers = {
            **self._headers(self.policy),
            # By the HTML standard a document that is sandboxed and cuts its ties to its opener is
            # an error.
            "cross-origin-opener-policy": "unsafe-none",
            "referrer-policy": "no-referrer",
        }
        if DOWNLOAD in request.query_params:
            headers["content-disposition"] = f'attachment; filename="{found.file_name}"'
        return Response(found.content, media_type="text/html", headers=headers)

    def _headers(self, policy: str) -> Mapping[str, str]:
        framed = {"x-frame-options": "SAMEORIGIN"} if self.framed else {}
        return {"content-security-policy": policy, "cache-control": "no-store", **framed}

    def _nobody(self, request: "Request", name: str) -> Response:
        """Answer who is not signed in, or whose browser keeps the cookie back.

        It does so on a link of another site or of an e-mail (``SameSite=Strict``). A page of ours
        that leads here at once is no other site any more.
        """
        if request.headers.get("sec-fetch-site") == "cross-site" and self.is_name(name):
            again = f"{self.prefix}{name}"
            lead = f"<meta http-equiv=refresh content='0;url={again}'>"
            return self._page(200, "Opening the report", f"<a href='{again}'>Open it.</a>", lead)
        path, title = self.home
        where = f"<a href='{path}'>Sign in on the {title}</a>, then open the report again."
        return self._page(401, "You are not signed in", where)

    def _said(self, status: int, title: str, error: MlopsError) -> Response:
        told = html.escape(f"{error.message} {error.hint}".strip())
        path, page = self.home
        return self._page(status, title, f"{told}</p><p><a href='{path}'>To the {page}</a>")

    def _page(self, status: int, title: str, told: str, head: str = "") -> Response:
        """Return a page of a title and a paragraph, whose HTML is ours."""
        page = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>{head}"
            "<meta name=viewport content='width=device-width'>"
            "<style>:root{color-scheme:light dark}body{font:16px system-ui;margin:15vh auto;"
            "max-width:34rem;padding:1rem}h1{font-size:1.3rem}</style>"
            f"<h1>{title}</h1><p>{told}</p>"
        )
        policy = _WORDS.format("'self'" if self.framed else "'none'")
        return HTMLResponse(page, status_code=status, headers=dict(self._headers(policy)))


def _who(request: "Request") -> "User | None":
    from dashboard import state
    from dashboard.routes import cookie_name

    cookie = request.cookies.get(cookie_name(), "")
    return state.access().who(cookie) if cookie else None
