"""The route of Evidently's full reports, documents with scripts: ``/monitoring/report/VERDICT``."""

from typing import TYPE_CHECKING

from dashboard.documents import Found, Shelf
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.monitoring import full_report

if TYPE_CHECKING:
    from services.access import User

PREFIX = "/monitoring/report/"


def _read(verdict_id: str, person: "User") -> Found:
    from dashboard import state

    try:
        content = full_report.read(Home.locate(), state.verdicts(), verdict_id, person.projects)
    except NotFoundError:
        raise
    except MlopsError:
        state.verdicts.clear()  # a damaged index is made again when it is opened the next time
        raise
    return Found(content, f"drift-{verdict_id}.html")


SHELF = Shelf(
    PREFIX,
    ("/monitoring", "Monitoring page"),
    full_report.is_id,
    _read,
    "; ".join(
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
    ),
    framed=True,
)
