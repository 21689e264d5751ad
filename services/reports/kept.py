"""Reports that are kept: ``MLOPS_HOME/reports/NAME.html``, and beside each what it is of.

The ``.json`` is written last: without one there is no report.
"""

import contextlib
import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.errors import NotFoundError, PlatformError
from services.home import Home
from services.telemetry.folder import write_whole

ASKED_DAYS = 7.0
"""How long one stays that somebody asked for: it was downloaded."""
MOST_BYTES = 1_000_000_000
"""Of all that are kept; beyond, the oldest go."""
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Kept:
    """One report. Times: seconds since 1970."""

    name: str
    project: str | None
    """None: the whole toolkit."""
    since: float
    until: float
    made_at: float
    by: str
    """Who asked, or ``schedule``."""
    schedule: str
    """The name of the schedule it was made for; empty: somebody asked."""
    bytes: int
    missing: tuple[str, ...]
    """Titles of the sections that could not be read."""
    headline: tuple[str, ...] = ()
    """What it comes to, in a few lines; (): an earlier version of the platform made it."""
    sha256: str = ""
    """That the file carries (``seals``); empty as above."""

    @property
    def link(self) -> str:
        """Return where it opens, from the dashboard's root on."""
        return f"/reports/{self.name}"

    @property
    def file_name(self) -> str:
        """Return what a download of it is called."""
        days = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
                for at in (self.since, self.until))  # fmt: skip
        return f"report-{self.project or 'toolkit'}-{'-to-'.join(days)}.html"


def base(home: Home) -> Path:
    """Return the folder of all."""
    return home.root / "reports"


def is_name(name: str) -> bool:
    """Return whether a text can be the name of a report: it becomes part of a path."""
    return _NAME.fullmatch(name) is not None


def new_name(until: float, of: str = "") -> str:
    """Return a name that sorts by time; ``of`` gives the same name for the same thing."""
    rest = hashlib.sha256(of.encode()).hexdigest() if of else secrets.token_hex(6)
    return f"{datetime.fromtimestamp(until, UTC):%Y%m%dT%H%M%S}-{rest[:12]}"


def keep(home: Home, report: Kept, content: bytes) -> None:
    """Keep a report; one of the same name is replaced.

    Raises:
        PlatformError: The disk is full, or the folder cannot be written.
    """
    folder = base(home)
    said = json.dumps({"v": 1, **asdict(report)}).encode()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / f"{report.name}.html", content)
        write_whole(folder / f"{report.name}.json", said)
    except OSError as error:
        raise PlatformError(
            f"The report could not be kept in {folder}: {error.strerror or error}.",
            "Free space on its disk, and see that the folder can be written.",
        ) from error


def find(home: Home, name: str) -> Kept | None:
    """Return what is known of a report, None when there is none of that name."""
    if not is_name(name):
        return None
    try:
        said = json.loads((base(home) / f"{name}.json").read_bytes())
        later = {"headline": [], "sha256": ""}  # of keys that those of earlier versions lack
        known = {key: {**later, **said}[key] for key in Kept.__dataclass_fields__}
        lists = {key: tuple(known[key]) for key in ("missing", "headline")}
        return Kept(**{**known, **lists})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kept(home: Home, projects: tuple[str, ...] | None = None) -> tuple[Kept, ...]:
    """Return the reports that a person may see, newest first; of one who sees all: all."""
    try:
        names = sorted((one.stem for one in base(home).glob("*.json")), reverse=True)
    except OSError:
        return ()
    found = (find(home, name) for name in names)
    mine = [one for one in found if one is not None and may_see(one, projects)]
    return tuple(sorted(mine, key=lambda one: one.made_at, reverse=True))


def may_see(report: Kept, projects: tuple[str, ...] | None) -> bool:
    """Return whether somebody may see a report: of the toolkit only who sees all projects."""
    return projects is None or (report.project is not None and report.project in projects)


def content(home: Home, name: str, projects: tuple[str, ...] | None) -> tuple[Kept, bytes]:
    """Return a report and its file.

    Raises:
        NotFoundError: There is none of that name, or the person may not see it.
    """
    found = find(home, name)
    if found is not None and may_see(found, projects):
        with contextlib.suppress(OSError):
            return found, (base(home) / f"{name}.html").read_bytes()
    raise NotFoundError(
        f"There is no report {name[:60]!r}, or it is of what you do not see.",
        "Reports are kept for a time; `mlops report list` lists those there are.",
    )


def prune(home: Home, now: float, days: float) -> int:
    """Remove what is too old, and the oldest of too much; return how many.

    Raises:
        PlatformError: Something cannot be removed.
    """
    gone, total = 0, 0
    for one in kept(home):
        total += one.bytes
        age_days = (now - one.made_at) / 86_400
        if age_days > (days if one.schedule else ASKED_DAYS) or total > MOST_BYTES:
            _remove(home, one.name)
            gone += 1
    return gone


def _remove(home: Home, name: str) -> None:
    folder = base(home)
    try:
        for end in (".json", ".html"):
            (folder / f"{name}{end}").unlink(missing_ok=True)
    except OSError as error:
        raise PlatformError(
            f"The old report {name} could not be removed from {folder}: {error.strerror or error}.",
            "See that the folder can be written.",
        ) from error
