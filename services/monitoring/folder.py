"""Where monitoring keeps its files.

    monitoring/verdicts.db                      an index, made anew from the files when it is gone
              verdicts/PROJECT/MODEL/DAY/*.json a verdict each
              reports/…/*.html and *.json       Evidently's, beside them
              references/PROJECT/MODEL/*.parquet  what versions are compared with
              workspace/                        Evidently's own

Days are UTC.
"""

import contextlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from services.errors import PlatformError
from services.home import Home
from services.telemetry.folder import write_whole


def base(home: Home) -> Path:
    """Return the folder of all."""
    return home.root / "monitoring"


def verdicts(home: Home, project: str, model: str, at: float) -> Path:
    """Return the folder of a day's verdicts on a model."""
    return base(home) / "verdicts" / _name(project) / _name(model) / _day(at)


def reports(home: Home, project: str, model: str, at: float) -> Path:
    """Return the folder of a day's full reports on a model."""
    return base(home) / "reports" / _name(project) / _name(model) / _day(at)


def reference(home: Home, project: str, model: str, name: str) -> Path:
    """Return the file of a reference."""
    return base(home) / "references" / _name(project) / _name(model) / f"{name}.parquet"


def workspace(home: Home) -> Path:
    """Return Evidently's workspace: what ``evidently ui`` shows."""
    return base(home) / "workspace"


def drop_reports(home: Home, before: float) -> None:
    """Remove reports of days before a moment, those too that no verdict names: one was killed."""
    last = _day(before)
    for day in (base(home) / "reports").glob("*/*/*"):
        if day.name < last:
            shutil.rmtree(day, ignore_errors=True)


def write(path: Path, content: bytes) -> None:
    """Write a file in one step, its folder too where there is none.

    Raises:
        PlatformError: The disk is full or cannot be written; what the file held stays.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise not_written(path, error) from error


def drop_report(home: Home, report: str) -> None:
    """Remove a report and what lies beside it of the same name; what stays is in nobody's way."""
    path = base(home) / report
    with contextlib.suppress(OSError):
        for one in path.parent.glob(f"{path.stem}.*"):
            one.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> PlatformError:
    """Return the sentence of a file that could not be written."""
    return PlatformError(
        f"{path} could not be written: {error.strerror or error}.",
        "Free space on its disk, and see that the folder can be written. Nothing that was kept "
        "is lost, and the next check covers what this one missed.",
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _name(said: str) -> str:
    """Return a folder's name, another one for each name also where capitals are small letters."""
    plain = "".join(f"%{ord(c):02X}" if "A" <= c <= "Z" else quote(c, safe=" +@") for c in said)
    return plain if plain.strip(".") else plain.replace(".", "%2E")
