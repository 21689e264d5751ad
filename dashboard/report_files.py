"""The route of kept reports, documents without scripts: ``/reports/NAME``."""

from typing import TYPE_CHECKING

from dashboard.documents import Found, Shelf
from services.home import Home
from services.reports import kept

if TYPE_CHECKING:
    from services.access import User

PREFIX = "/reports/"


def _read(name: str, person: "User") -> Found:
    found, content = kept.content(Home.locate(), name, person.projects)
    return Found(content, found.file_name)


SHELF = Shelf(
    PREFIX,
    ("/", "Overview"),
    kept.is_name,
    _read,
    "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
)
