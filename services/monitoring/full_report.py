"""Evidently's full report of a check, as it is kept beside the verdict."""

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

from services.errors import GoneError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import folder
from services.monitoring.limits import REPORT_DAYS
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore

_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")


def is_id(said: str) -> bool:
    """Return whether a text can be the id of a verdict."""
    return _ID.fullmatch(said) is not None


def read(
    home: Home, store: VerdictStore, verdict_id: str, visible: tuple[str, ...] | None
) -> bytes:
    """Return a verdict's full report, an HTML document of some megabytes.

    Args:
        home: Where everything is.
        store: Of verdicts.
        verdict_id: Which one; each verdict of a check has the same report.
        visible: Projects the person may see, None for all.

    Raises:
        NotFoundError: There is no such verdict in these projects, or it has no full report.
        GoneError: The report was removed, as old ones are.
        PlatformError: The index or the report cannot be read.
    """
    path, verdict = _path(home, store, verdict_id, visible)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise GoneError(
            f"The full report of the check of {_moment(verdict)} was removed.",
            f"Full reports are kept for {REPORT_DAYS:g} days; the verdict and its columns stay for "
            "a year on the Monitoring page.",
        ) from error
    except OSError as error:
        raise PlatformError(
            f"The report {path} cannot be read: {error.strerror or error}.",
            "See who owns the folder, and that its disk is well.",
        ) from error


def _path(
    home: Home, store: VerdictStore, verdict_id: str, visible: tuple[str, ...] | None
) -> tuple[Path, Verdict]:
    """Return where the report of a verdict is, below the reports' folder whatever is written."""
    verdict = _seen(store, verdict_id, visible)
    if verdict.report is None:
        raise NotFoundError(
            f"No full report was written for the check of {_moment(verdict)}.",
            "One is written for a day's first check, when a severity changes, and when somebody "
            "asks for it: check the deployment now, with its full report.",
        )
    return inside(home, verdict_id, verdict.report), verdict


def inside(home: Home, verdict_id: str, report: str) -> Path:
    """Return the file of a report, as a verdict names it; it need not be there.

    Raises:
        PlatformError: It lies outside the reports' folder.
    """
    path = (folder.base(home) / report).resolve()
    if not path.is_relative_to((folder.base(home) / "reports").resolve()):
        raise PlatformError(
            f"What is kept of verdict {verdict_id} names a report outside the reports' folder.",
            "The file of the verdict was changed by hand or is damaged; nothing was read.",
        )
    return path


def _seen(store: VerdictStore, verdict_id: str, visible: tuple[str, ...] | None) -> Verdict:
    """Return a verdict; one of another project is told just as one that never was."""
    with contextlib.suppress(NotFoundError):
        found = store.written(verdict_id) if is_id(verdict_id) else None
        if found is not None and (visible is None or found.project in visible):
            return found
    raise NotFoundError(
        "There is no such check in the projects you see.",
        "Verdicts are kept for a year; the Monitoring page has those there are.",
    )


def _moment(verdict: Verdict) -> str:
    return f"{datetime.fromtimestamp(verdict.computed_at, UTC):%Y-%m-%d %H:%M} UTC"
