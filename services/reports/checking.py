"""Whether the file of a report is as it was made, and whether this platform made it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from services.actions import schema
from services.actions.journal import Journal
from services.errors import InputError, PlatformError
from services.home import Home
from services.reports import kept, seals

_ACTIONS = schema.actions
_MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a file."""

    whole: bool
    """Nothing in it was changed since its digest was taken."""
    sha256: str
    known: str
    """Who made it here and when; empty: neither a kept report nor the journal has the digest."""

    @property
    def said(self) -> str:
        """Return it as sentences."""
        if not self.whole:
            return "It was changed after it was made: it does not match the digest that it carries."
        if self.known:
            return f"It is as it was made. {self.known} SHA-256 {self.sha256}."
        return (
            "It matches the digest that it carries. This platform knows no report of that digest: "
            f"it was made elsewhere, or by `mlops report --out`. SHA-256 {self.sha256}."
        )


def check(home: Home, journal: Journal, path: Path) -> Checked:
    """Return what is known of a file.

    Raises:
        InputError: It is no report, or one of a version that took no digest.
        PlatformError: It cannot be read.
        JournalError: The journal cannot be read.
    """
    text = _read(path)
    digest = seals.digest(text)
    if digest is None:
        raise InputError(
            f"{path} carries no digest at its end.",
            "It is no report, was cut off, or an earlier version of the platform made it.",
        )
    whole = seals.holds(text)
    return Checked(whole, digest, _known(home, journal, digest) if whole else "")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is too large to be a report.")
        return path.read_bytes().decode()
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be read: {error.strerror or error}.", "See that it is there."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no report: it is no text.") from error


def _known(home: Home, journal: Journal, digest: str) -> str:
    of = _ACTIONS.c
    query = select(of.actor, of.finished_ms).where(
        of.kind == "report-make", of.state == "done", of.result.endswith(f"SHA-256 {digest}")
    )
    with journal.read() as connection:
        row = connection.execute(query.limit(1)).first()
    if row is not None:
        return f"{row.actor} had it made on {_at(row.finished_ms / 1000)}, by the journal."
    for one in kept.kept(home):
        if one.sha256 == digest:
            return f"{one.schedule or one.by} had it made on {_at(one.made_at)}; it is kept here."
    return ""


def _at(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
