"""How the checks themselves went: ``monitoring/checks.json``.

Of the last round over all deployments, and of each version that was looked at. Who checks writes
it, under the lock of checks; everybody reads it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from services.home import Home
from services.monitoring import folder
from services.monitoring.models import Settings

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at one version. Times: seconds since 1970."""

    project: str
    model: str
    version: int
    at: float
    """When it was looked at."""
    compared_at: float | None = None
    """When it was last compared; before ``at`` where nothing had come since."""
    baseline: Mapping[str, Any] = field(default_factory=dict)
    """What was wanted then: ``Baseline.as_json``."""
    error: str = ""
    """Why the check failed; empty: it did not."""
    fault: str = ""
    """What is missing though it was checked: the report, or the evaluation data."""
    hint: str = ""
    bound: str = ""
    """What was promised of how right it is, as ``mae 3.5``; empty: nothing was."""
    settings: Mapping[str, Any] = field(default_factory=lambda: Settings().as_json())
    """How strictly it was judged: ``settings.Settings.as_json``."""

    @property
    def key(self) -> str:
        """Return its name in the record."""
        return key_of(self.project, self.model, self.version)


@dataclass(frozen=True, slots=True)
class Record:
    """The last round, and each version."""

    began: float | None = None
    """Of the last round over all deployments that went to its end; None: there was none yet."""
    ended: float | None = None
    by: str = ""
    """Who had it made: ``platform.monitor``, ``controller`` or ``command line``."""
    failed_at: float | None = None
    """When a round last came to nothing; older than ``began``: that is over."""
    error: str = ""
    hint: str = ""
    looked: Mapping[str, Looked] = field(default_factory=dict)
    """By ``PROJECT.MODEL:VERSION``."""

    @property
    def failing(self) -> bool:
        """Return whether the last round came to nothing."""
        return self.failed_at is not None and self.failed_at >= (self.ended or 0.0)


def key_of(project: str, model: str, version: int) -> str:
    """Return the name of a version in the record."""
    return f"{project}.{model}:{version}"


def path(home: Home) -> Path:
    """Return the file."""
    return folder.base(home) / "checks.json"


def read(home: Home) -> Record:
    """Return the record; an empty one when there is none that can be read: it is made anew."""
    try:
        said = orjson.loads(path(home).read_bytes())
        if said["v"] != FORMAT:
            return Record()
        known = {name: said[name] for name in Record.__dataclass_fields__ if name in said}
        looked = {name: Looked(**one) for name, one in known.pop("looked", {}).items()}
        return Record(**known, looked=looked)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def write(home: Home, record: Record) -> None:
    """Write it in one step.

    Raises:
        PlatformError: The disk is full or cannot be written; the old one stays.
    """
    folder.write(path(home), orjson.dumps({"v": FORMAT, **asdict(record)}))


def failed(home: Home, at: float, by: str, error: str, hint: str = "") -> None:
    """Note that a round came to nothing.

    Raises:
        PlatformError: It cannot be written.
    """
    write(home, replace(read(home), failed_at=at, by=by, error=error, hint=hint))
