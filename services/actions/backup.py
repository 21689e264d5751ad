"""A copy of the journal, and the journal from a copy: a SQLite file, wherever the journal is."""

import contextlib
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from sqlalchemy import delete

from services.actions import audit, database, portable, schema
from services.actions.journal import Journal
from services.errors import ConflictError, InputError, NotFoundError, PlatformError
from services.home import Home

_BUSY_S = 10.0


def backup(journal: Journal, target: Path) -> None:
    """Copy the journal, consistent while others write, to a new file only its owner can read.

    Raises:
        InputError: The target exists.
        PlatformError: The copy could not be written; no half of it is left.
    """
    if target.exists():
        raise InputError(f"{target} exists already.", "Choose another name.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with database.fresh_file(target) as new:
            if journal.path is None:
                portable.to_file(journal, new)
            else:
                _copy(journal.path, new)
            os.link(new, target)
        database.sync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise PlatformError(
            f"The backup {target} could not be written ({error}).",
            "See that its disk has room and its folder can be written.",
        ) from error


def restore(source: Path, url: str, actor: str) -> Path | None:
    """Put a backup in the journal's place; return where the present one went, if there was one.

    The backup is checked first, its audit chain too. Nobody stays signed in: sessions that were
    ended since the backup must not come back.

    Raises:
        NotFoundError: There is no such backup.
        PlatformError: It is no journal or damaged, or it could not be written; nothing was changed.
        ConflictError: Another process is writing to the present journal.
    """
    path = database.sqlite_path(url)
    if not source.is_file():
        raise NotFoundError(f"There is no backup {source}.")
    if path is None:
        return _restore_rows(source, url, actor)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with database.fresh_file(path) as new:
            _copy(source, new)
            _admit(Journal(f"sqlite:///{new}"), source, actor)
            aside = _set_aside(path)
            new.replace(path)
        database.sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise PlatformError(
            f"The backup {source} could not be put in place ({error}).", "The journal is as it was."
        ) from error
    return aside


def _restore_rows(source: Path, url: str, actor: str) -> Path | None:
    """Put a backup into a Postgres database; what it holds is backed up into the home folder."""
    with contextlib.closing(Journal(url)) as journal, tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "journal.sqlite"
        try:
            _copy(source, new)
        except sqlite3.Error as error:
            raise PlatformError(
                f"The backup {source} cannot be read ({error}).", "The journal is as it was."
            ) from error
        _admit(Journal(f"sqlite:///{new}"), source, actor)
        aside = None
        if portable.is_used(journal):
            aside = Home.locate().databases / f"journal.replaced-{_stamp()}.sqlite"
            backup(journal, aside)
        portable.from_file(new, journal)
    return aside


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _copy(source: Path, target: Path) -> None:
    """Copy through SQLite's own backup: whole, whatever others write meanwhile."""
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        ) as old,
        contextlib.closing(sqlite3.connect(target, timeout=_BUSY_S)) as new,
    ):
        old.backup(new)
        verdict = new.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise PlatformError(f"{source} is damaged ({verdict}).", "Use another backup.")


def _admit(copy: Journal, source: Path, actor: str) -> None:
    """Check a copy as a journal and note in its audit what becomes of it."""
    verdict = audit.verify(copy)
    if verdict.broken_at is not None:
        raise PlatformError(
            f"The audit of {source} does not hold: {verdict.reason}", "Use another."
        )
    with copy.write() as connection:
        connection.execute(delete(schema.sessions))
        audit.append(connection, actor, "journal.restored", source.name)
    copy.close()


def _set_aside(path: Path) -> Path | None:
    """Give the present file a second name; its place is never empty."""
    if not path.exists():
        return None
    _see_nobody_writes(path)
    aside = path.with_name(f"{path.name}.replaced-{_stamp()}")
    os.link(path, aside)
    left = path.with_name(f"{path.name}-journal")
    if left.exists():  # of a crash; beside the restored file it would be played into that
        left.rename(aside.with_name(f"{aside.name}-journal"))
    return aside


def _see_nobody_writes(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as present:
        try:
            present.execute("BEGIN EXCLUSIVE")
            present.rollback()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConflictError(
                    "Another process is writing to the journal.", "Run `mlops down` first."
                ) from error
        except sqlite3.DatabaseError:
            return  # damaged: that is why it is replaced
