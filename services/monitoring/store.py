"""Verdicts over time: a file a check, and a SQLite index of them that can always be made anew.

The files hold everything; the index answers what pages ask. A verdict's place is the order in which
it was written, so a clock that was set back mixes nothing up.
"""

import gzip
import logging
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from services.errors import NotFoundError, PlatformError
from services.home import Home
from services.monitoring import folder
from services.monitoring.models import Family, Severity, State, Verdict, VerdictState
from services.monitoring.tables import READING, opened
from services.monitoring.tables import columns as _columns
from services.monitoring.tables import verdicts as _verdicts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """A verdict without its columns."""

    id: str
    project: str
    model: str
    version: int
    kind: Family
    computed_at: float
    baseline: str
    since: float | None
    until: float | None
    rows: int
    share: float | None
    severity: Severity
    state: VerdictState
    said: str
    report: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A column at one check."""

    at: float
    state: State
    effect: float | None
    p_value: float | None


class VerdictStore:
    """Writes and reads verdicts; any number of these in any number of processes."""

    def __init__(self, home: Home) -> None:
        """Open the index, made anew when it is missing or damaged.

        Raises:
            PlatformError: The folder cannot be used.
        """
        self._home = home
        path = folder.base(home) / "verdicts.db"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise folder.not_written(path, error) from error
        self._path, self._engine = path, opened(path)
        self._reading = self._engine.execution_options(**{READING: True})
        self._catch_up()

    def close(self) -> None:
        """Close the index."""
        self._engine.dispose()

    # Writing

    def record(self, verdicts: Sequence[Verdict]) -> None:
        """Keep the verdicts of one check: all of them or none.

        Raises:
            PlatformError: The disk is full or cannot be written.
        """
        one = verdicts[0]
        target = folder.verdicts(self._home, one.project, one.model, one.computed_at)
        path = target / f"{one.id}.json.gz"
        packed = gzip.compress(orjson.dumps([verdict.as_json() for verdict in verdicts]), 6)
        try:
            target.mkdir(parents=True, exist_ok=True)
            _put(path, packed)
        except OSError as error:
            raise folder.not_written(path, error) from error
        self._index(path, verdicts)

    def _index(self, path: Path, verdicts: Sequence[Verdict]) -> None:
        name = str(path.relative_to(folder.base(self._home)))
        try:
            with self._engine.begin() as connection:
                known = select(_verdicts.c.number).where(_verdicts.c.file == name)
                if connection.execute(known).first() is not None:  # another process was first
                    return
                for verdict in verdicts:
                    row = {key: getattr(verdict, key) for key in Summary.__dataclass_fields__}
                    made = connection.execute(insert(_verdicts).values(**row, file=name))
                    number = made.inserted_primary_key
                    values = [
                        {"verdict": number[0] if number else 0, "name": c.name, "state": c.state,
                         "effect": c.effect, "p_value": c.p_value}
                        for c in verdict.columns
                    ]  # fmt: skip
                    if values:
                        connection.execute(insert(_columns), values)
        except DatabaseError as error:
            raise self._failed(error) from error

    def prune(self, before: float) -> int:
        """Forget checks from before a moment, their files and reports; return how many.

        Raises:
            PlatformError: It cannot be written; what is left is forgotten the next time.
        """
        base = folder.base(self._home)
        try:
            with self._engine.begin() as connection:
                old = _verdicts.c.computed_at < before
                found = connection.execute(
                    select(_verdicts.c.file, _verdicts.c.report).where(old)
                ).all()
                gone = select(_verdicts.c.number).where(old)
                connection.execute(delete(_columns).where(_columns.c.verdict.in_(gone)))
                connection.execute(delete(_verdicts).where(old))
                # Before the commit: a file that outlived its row would come back with it.
                for file in {row.file for row in found}:
                    (base / file).unlink(missing_ok=True)
                _remove(base, {row.report for row in found if row.report})
        except DatabaseError as error:
            raise self._failed(error) from error
        except OSError as error:
            raise folder.not_written(base, error) from error
        return len(found)

    def prune_reports(self, before: float) -> int:
        """Remove full reports from before a moment; their verdicts stay. Return how many.

        Raises:
            PlatformError: It cannot be written; what is left is removed the next time.
        """
        base = folder.base(self._home)
        old = (_verdicts.c.computed_at < before) & _verdicts.c.report.is_not(None)
        try:
            with self._engine.begin() as connection:
                rows = connection.execute(select(_verdicts.c.report).where(old).distinct()).all()
                connection.execute(update(_verdicts).where(old).values(report=None))
                _remove(base, {row.report for row in rows})
        except DatabaseError as error:
            raise self._failed(error) from error
        except OSError as error:
            raise folder.not_written(base, error) from error
        return len(rows)

    # Reading

    def latest(
        self, project: str | None = None, model: str | None = None, *, by_version: bool = False
    ) -> tuple[Summary, ...]:
        """Return the last verdict of each kind and model, those of one project or model alone.

        Args:
            project: All when left out.
            model: As ``project``.
            by_version: Of each version of a model its own.

        Raises:
            PlatformError: The index cannot be read.
        """
        of = [_verdicts.c.project, _verdicts.c.model, _verdicts.c.kind]
        of += [_verdicts.c.version] if by_version else []
        newest = select(func.max(_verdicts.c.number)).group_by(*of)
        asked = select(_verdicts).where(_verdicts.c.number.in_(newest))
        asked = asked.order_by(_verdicts.c.project, _verdicts.c.model, _verdicts.c.number)
        return self.summaries(_of(asked, project, model))

    def history(
        self,
        project: str,
        model: str,
        kind: Family,
        *,
        since: float | None = None,
        version: int | None = None,
        limit: int = 1000,
    ) -> tuple[Summary, ...]:
        """Return a model's verdicts of a kind in the order they came, the newest ``limit``.

        Raises:
            PlatformError: The index cannot be read.
        """
        asked = _of(select(_verdicts), project, model).where(_verdicts.c.kind == kind)
        if since is not None:
            asked = asked.where(_verdicts.c.computed_at >= since)
        if version is not None:
            asked = asked.where(_verdicts.c.version == version)
        rows = self.ask(asked.order_by(_verdicts.c.number.desc()).limit(limit))
        return tuple(_summary(row) for row in reversed(rows))

    def column(
        self,
        project: str,
        model: str,
        kind: Family,
        name: str,
        limit: int = 500,
        version: int | None = None,
    ) -> tuple[Effect, ...]:
        """Return how far a column was moved at each check, of one version or all, oldest first.

        Raises:
            PlatformError: The index cannot be read.
        """
        asked = _of(select(_columns, _verdicts.c.computed_at), project, model).where(
            _columns.c.verdict == _verdicts.c.number,
            _verdicts.c.kind == kind,
            _columns.c.name == name,
        )
        if version is not None:
            asked = asked.where(_verdicts.c.version == version)
        rows = self.ask(asked.order_by(_verdicts.c.number.desc()).limit(limit))
        return tuple(
            Effect(row.computed_at, row.state, row.effect, row.p_value) for row in reversed(rows)
        )

    def begun(
        self, project: str, model: str, kind: Family, version: int | None = None
    ) -> float | None:
        """Return since when a model, or one version of it, is drifted without a break; else None.

        The begin of the first such window. "Too few" and "unknown" are no break: they say nothing.

        Raises:
            PlatformError: The index cannot be read.
        """
        mine = _of(select(func.max(_verdicts.c.number)), project, model)
        if version is not None:
            mine = mine.where(_verdicts.c.version == version)
        steady = mine.where(_verdicts.c.kind == kind, _verdicts.c.state == "steady")
        asked = _of(select(_verdicts.c.since, _verdicts.c.computed_at), project, model).where(
            _verdicts.c.kind == kind,
            _verdicts.c.state == "drifted",
            _verdicts.c.number > func.coalesce(steady.scalar_subquery(), 0),
        )
        if version is not None:
            asked = asked.where(_verdicts.c.version == version)
        rows = self.ask(asked.order_by(_verdicts.c.number).limit(1))
        return float(rows[0].since or rows[0].computed_at) if rows else None

    def verdict(self, verdict_id: str) -> Verdict:
        """Return a verdict whole; a removed report is none.

        Raises:
            NotFoundError: There is none of that id, or its file is gone.
            PlatformError: The index cannot be read.
        """
        return next(one for one in self.check(verdict_id) if one.id == verdict_id)

    def written(self, verdict_id: str) -> Verdict:
        """Return a verdict as it was written: it names a report that was removed since, too.

        Raises:
            NotFoundError: There is none of that id, or its file is gone.
            PlatformError: The index cannot be read.
        """
        return next(one for one in self._check(verdict_id)[0] if one.id == verdict_id)

    def check(self, verdict_id: str) -> tuple[Verdict, ...]:
        """Return all verdicts of the check that a verdict is of; a removed report is none.

        Raises:
            NotFoundError: There is none of that id, or its file is gone.
            PlatformError: The index cannot be read.
        """
        written, reports = self._check(verdict_id)
        return tuple(one.with_report(reports.get(one.id)) for one in written)

    def _check(self, verdict_id: str) -> tuple[list[Verdict], dict[str, str | None]]:
        """Return the verdicts of a check as they were written, and the reports that are kept."""
        file = select(_verdicts.c.file).where(_verdicts.c.id == verdict_id).scalar_subquery()
        asked = select(_verdicts.c.id, _verdicts.c.file, _verdicts.c.report)
        rows = self.ask(asked.where(_verdicts.c.file == file))
        found = _read(folder.base(self._home) / rows[0].file) if rows else []
        if all(one.id != verdict_id for one in found):
            raise NotFoundError(
                f"There is no verdict {verdict_id[:100]}.",
                "It may be older than verdicts are kept. The Monitoring page has those there are.",
            )
        return found, {row.id: row.report for row in rows}

    def summaries(self, asked: Any) -> tuple[Summary, ...]:  # noqa: ANN401
        """Return the verdicts that a question of this package names.

        Raises:
            PlatformError: The index cannot be read.
        """
        return tuple(_summary(row) for row in self.ask(asked))

    def ask(self, asked: Any) -> list[Row[*tuple[Any, ...]]]:  # noqa: ANN401
        """Return what the index answers to a question of this package.

        Raises:
            PlatformError: The index cannot be read.
        """
        try:
            with self._reading.connect() as connection:
                return list(connection.execute(asked).all())
        except DatabaseError as error:
            raise self._failed(error) from error

    def _failed(self, error: DatabaseError) -> PlatformError:
        return PlatformError(
            f"The index of verdicts {self._path} cannot be used ({error.orig}).",
            "Free space on its disk; a damaged one is made anew from the verdicts' files when it "
            "is opened the next time.",
        )

    # The index from the files

    def _catch_up(self) -> None:
        """Take in files that the index does not know: it is new, or a write was broken off."""
        base = folder.base(self._home)
        known = {row.file for row in self.ask(select(_verdicts.c.file).distinct())}
        unknown = [path for path in _files(base) if str(path.relative_to(base)) not in known]
        for path in sorted(unknown, key=lambda path: path.name):
            found = _read(path)
            if found:
                self._index(path, found)


def verdict_id(at: float) -> str:
    """Return a new id that sorts by time: the moment in UTC and 32 bits of chance."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def _of(asked: Any, project: str | None, model: str | None) -> Any:  # noqa: ANN401
    if project is not None:
        asked = asked.where(_verdicts.c.project == project)
    return asked if model is None else asked.where(_verdicts.c.model == model)


def _summary(row: Row[Any]) -> Summary:
    return Summary(*(getattr(row, name) for name in Summary.__dataclass_fields__))


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _remove(base: Path, reports: set[str]) -> None:
    """Remove reports and what lies beside them of the same name.

    Raises:
        OSError: They cannot be removed.
    """
    for report in reports:
        for path in (base / report).parent.glob(f"{Path(report).stem}.*"):
            path.unlink(missing_ok=True)


def _files(base: Path) -> Iterator[Path]:
    for place, _, names in os.walk(base / "verdicts"):
        yield from (Path(place) / name for name in names if not name.startswith("."))


def _read(path: Path) -> list[Verdict]:
    """Return the verdicts of a file; none when it is gone or damaged."""
    try:
        said = orjson.loads(gzip.decompress(path.read_bytes()))
        return [Verdict.from_json(one) for one in said]
    except FileNotFoundError:
        return []
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        logger.warning("%s is no file of verdicts: %s", path, error)
        return []
