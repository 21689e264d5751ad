"""What pages, the command line and reports ask of the mirror."""

import contextlib
import json
import math
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, Engine, Row, Select, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from services.errors import InputError, NotFoundError, PlatformError
from services.mirror import schema
from services.mirror.columns import Columns, Numbers, Positions
from services.mirror.curves import curve_of
from services.mirror.fields import attribute_fields, logged_by, value_field
from services.mirror.filters import GROUPS, parse, split_field
from services.mirror.models import (
    Artifact,
    Change,
    Curve,
    FieldInfo,
    Freshness,
    MetricPoint,
    ProjectSummary,
    RegisteredModel,
    Run,
    RunDetail,
    RunPage,
    RunQuery,
    TechniqueRow,
)
from services.mirror.projects import goal_of, summaries, technique_rows
from services.mirror.registry import registered_models
from services.mirror.search import Search
from services.mirror.text import Mask, Text

if TYPE_CHECKING:
    from services.settings import Settings

_LIMIT = 1_000
_LARGE = 20_000
_GIVE_WAY_S = (
    0.005  # a lock let go and taken at once again never reaches the page that waits for it
)
# Shown elsewhere, or how the client tells apart what it sent.
_HIDDEN_TAGS = frozenset(
    {
        "mlops.heartbeat",
        "mlops.packages",
        "mlops.local_id",
        "mlops.delivery",
        "mlops.registration",
        "mlflow.note.content",
    }
)


class Mirror:
    """Reads of one mirror. One object a process; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = Path(make_url(url).database or "") if url.startswith("sqlite") else None
        self._engine = schema.open_engine(url)
        self._inode = self._found_inode()
        self._columns = Columns()
        self._lock = threading.Lock()
        self._warming: threading.Thread | None = None

    @classmethod
    def open(cls, settings: "Settings") -> "Mirror":
        """Return the mirror of an installation."""
        return cls(settings.mirror_url)

    @property
    def engine(self) -> Engine:
        """The database behind it, connected again when the file was replaced under us."""
        if self._path is not None and (inode := self._found_inode()) != self._inode:
            self._engine.dispose()
            self._engine = schema.open_engine(self._url)
            self._inode = inode
            self._columns = Columns()
        return self._engine

    def _found_inode(self) -> int:
        try:
            return self._path.stat().st_ino if self._path else 0
        except OSError:
            return 0

    def rows(self, query: Select) -> Sequence[Row]:  # type: ignore[type-arg]  # of any columns
        """Return the rows of a query.

        Raises:
            PlatformError: The mirror is not there yet or cannot be read.
        """
        with self.connect() as connection:
            return connection.execute(query).all()

    def connect(self) -> "_Reading":
        """Return a connection for a ``with`` block; database errors become sentences."""
        return _Reading(self.engine)

    def change(self) -> int:
        """Return the number of the last change: what is cached under it is still true."""
        query = select(schema.meta.c.value).where(schema.meta.c.key == "change")
        found = self.rows(query)
        return int(found[0].value) if found else 0

    # Runs

    def runs(self, query: RunQuery) -> RunPage:
        """Return one page of runs.

        Raises:
            FilterError: The filter does not parse, or compares what cannot be compared.
            InputError: Unknown sort field or column, or a page out of bounds.
        """
        if query.offset < 0 or not 0 < query.limit <= _LIMIT:
            raise InputError(f"A page has 1 to {_LIMIT:,} rows from row 0 on.")
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            positions = self._matching(connection, query)
            shown = positions[query.offset : query.offset + query.limit]
            search = Search(columns, connection)
            cells = [_cells(name, search.column(name), shown) for name in query.columns]
            rows = tuple(self._run(int(p), [c[i] for c in cells]) for i, p in enumerate(shown))
            if columns.size > _LARGE:
                self._warm_aside()
            return RunPage(len(positions), rows, _last_sync(connection), columns.change)

    def prepare(self) -> None:
        """Read the runs now; of a large mirror, begin to read all columns beside the pages."""
        with contextlib.suppress(PlatformError):  # whoever asks next is told
            self.runs(RunQuery(limit=1))

    def _warm_aside(self) -> None:
        """Begin to load all columns, for loading one would be felt (0.1 s at 100,000 runs)."""
        if self._warming is None:
            self._warming = threading.Thread(target=self._warm_quietly, daemon=True)
            self._warming.start()

    def _warm_quietly(self) -> None:
        with contextlib.suppress(PlatformError):  # whoever asks next is told
            self.warm()

    def warm(self) -> None:
        """Load every column before it is asked for."""
        for group in GROUPS:
            table = schema.keys
            names = self.rows(select(table.c.name).where(table.c.kind == group[0]))
            for row in names:
                with self._lock, self.connect() as connection:
                    column = self._fresh(connection).values(connection, group, row.name)
                    if isinstance(column, Text):
                        column.sort_keys()
                time.sleep(_GIVE_WAY_S)

    def matching(self, query: RunQuery) -> tuple[str, ...]:
        """Return the ids of all matching runs in order, whatever the page."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            ids = columns.texts["run_id"]
            found = self._matching(connection, query)
            return tuple(ids.words[code] for code in ids.codes[found])

    def _fresh(self, connection: Connection) -> Columns:
        found = connection.execute(
            select(schema.meta.c.value).where(schema.meta.c.key == "change")
        ).scalar()
        self._columns.refresh(connection, int(found or 0))
        return self._columns

    def _matching(self, connection: Connection, query: RunQuery) -> Positions:
        columns = self._columns
        node = parse(query.filter)
        search = Search(columns, connection, query.filter)
        keys = search.sort_keys(query.sort)
        order = columns.order(query.sort, keys, descending=query.descending)
        mask = self._scope(query)
        if node is not None:
            mask &= search.mask(node)
        return order[mask[order]]

    def _scope(self, query: RunQuery) -> Mask:
        columns = self._columns
        mask: Mask = columns.archived[: columns.size] == query.archived
        wanted = query.projects
        if query.project is not None:
            allowed = wanted is None or query.project in wanted
            wanted = (query.project,) if allowed else ()
        if wanted is not None:
            mask &= columns.texts["project"].equal(*wanted)[: columns.size]
        if query.since is not None:
            recent = columns.started_ms[: columns.size] >= query.since.timestamp() * 1000
            mask &= recent | columns.texts["status"].equal("running")[: columns.size]
        return mask

    def _run(self, position: int, cells: Sequence["_Cell"]) -> Run:
        columns = self._columns
        groups: dict[str, dict[str, float | str]] = {group: {} for group in GROUPS}
        for group, name, value in cells:
            if group and value is not None:
                groups[group][name] = value
        texts = {name: column.word(position) for name, column in columns.texts.items()}
        return Run(
            run_id=texts["run_id"] or "",
            project=texts["project"] or "",
            experiment_id=texts["experiment_id"] or "",
            name=texts["name"] or "",
            status=texts["status"] or "running",  # type: ignore[arg-type]  # the store writes RunStatus
            status_reason=texts["status_reason"] or "",
            technique=texts["technique"],
            baseline=bool(columns.baseline[position]),
            started_at=_moment(columns.started_ms[position]),
            ended_at=_moment(columns.ended_ms[position]),
            user=texts["user"],
            host=texts["host"],
            archived=bool(columns.archived[position]),
            metrics={name: float(value) for name, value in groups["metrics"].items()},
            params={name: str(value) for name, value in groups["params"].items()},
            tags={name: str(value) for name, value in groups["tags"].items()},
        )

    def run(self, run_id: str) -> RunDetail:
        """Return everything the mirror knows of a run.

        Raises:
            NotFoundError: No such run.
        """
        table = schema.runs
        with self.connect() as connection:
            row = connection.execute(select(table).where(table.c.run_id == run_id)).first()
            if row is None:
                raise NotFoundError(
                    f"There is no run {run_id[:64]!r}.",
                    "It may be new (the mirror follows in seconds) or belong to another MLflow.",
                )
            points = {
                found.name: MetricPoint(
                    math.nan if found.value is None else found.value,
                    found.step,
                    _moment(found.at_ms),
                )
                for found in _logged(connection, "metrics", row.rid)
            }
            params = {found.name: found.value for found in _logged(connection, "params", row.rid)}
            tags = {found.name: found.value for found in _logged(connection, "tags", row.rid)}
            made = connection.execute(
                select(schema.versions.c.name, schema.versions.c.version).where(
                    schema.versions.c.run_id == run_id
                )
            ).all()
        run = Run(
            run_id=row.run_id,
            project=row.project,
            experiment_id=row.experiment_id,
            name=row.name,
            status=row.status,
            status_reason=row.status_reason,
            technique=row.technique,
            baseline=row.baseline,
            started_at=_moment(row.started_ms),
            ended_at=_moment(row.ended_ms),
            user=row.user,
            host=row.host,
            archived=row.archived,
            metrics={name: point.value for name, point in points.items()},
            params=params,
            tags=tags,
        )
        names = tuple(f"{found.name}:{found.version}" for found in made)
        return RunDetail(run, points, row.artifact_uri, names)

    def fields(
        self, project: str | None = None, projects: tuple[str, ...] | None = None
    ) -> tuple[FieldInfo, ...]:
        """Return what can be filtered, sorted and shown, with how many runs have it."""
        scope = RunQuery(project=project, projects=projects)
        with self.connect() as connection:
            with self._lock:
                columns = self._fresh(connection)
                mask = self._scope(scope)
                found = [*attribute_fields(columns, mask)]
            for kind, group in (("m", "metrics"), ("p", "params"), ("t", "tags")):
                table = schema.keys
                names = connection.execute(
                    select(table.c.name).where(table.c.kind == kind).order_by(table.c.name)
                )
                for name in names.scalars().all():
                    if name in _HIDDEN_TAGS:
                        continue
                    # A column at a time: reading all of them must not hold up the pages.
                    with self._lock:
                        column = columns.values(connection, group, name)
                        if column is not None:
                            found += value_field(group, name, column, mask)
            return tuple(found)

    def fields_of(self, run_ids: Sequence[str]) -> tuple[FieldInfo, ...]:
        """Return what some runs logged, with how many of them have it; at most a few hundred."""
        with self.connect() as connection:
            logged = logged_by(connection, run_ids)
            return tuple(
                field for field in logged if split_field(field.name)[1] not in _HIDDEN_TAGS
            )

    # Curves and artifacts

    def curves(
        self, run_ids: Sequence[str], keys: Sequence[str], max_points: int = 500
    ) -> tuple[Curve, ...]:
        """Return the curves the mirror holds, thinned to ``max_points`` each."""
        table = schema.curves
        rows = self.rows(select(table).where(table.c.run_id.in_(run_ids), table.c.key.in_(keys)))
        return tuple(curve_of(row, max_points) for row in rows)

    def curve_keys(self, run_id: str) -> tuple[str, ...]:
        """Return the metrics of a run whose curves the mirror holds."""
        table = schema.curves
        found = self.rows(select(table.c.key).where(table.c.run_id == run_id))
        return tuple(sorted(row.key for row in found))

    def missing_curves(
        self, run_ids: Sequence[str], keys: Sequence[str]
    ) -> tuple[tuple[str, str], ...]:
        """Return the (run, metric) pairs that have more than one point and are not held yet."""
        table = schema.curves
        held = {
            (row.run_id, row.key)
            for row in self.rows(
                select(table.c.run_id, table.c.key).where(
                    table.c.run_id.in_(run_ids), table.c.key.in_(keys)
                )
            )
        }
        metrics, runs, names = schema.metrics, schema.runs, schema.keys
        curved = self.rows(
            select(runs.c.run_id, names.c.name)
            .join(metrics, metrics.c.rid == runs.c.rid)
            .join(names, names.c.key_id == metrics.c.key_id)
            .where(runs.c.run_id.in_(run_ids), names.c.name.in_(keys), names.c.kind == "m")
            .where(metrics.c.step > 0)
        )
        wanted = ((row.run_id, row.name) for row in curved)
        return tuple(pair for pair in wanted if pair not in held)

    def artifacts(self, run_id: str) -> tuple[Artifact, ...] | None:
        """Return the files a run left; None when the listing was not fetched yet."""
        table = schema.artifacts
        found = self.rows(select(table).where(table.c.run_id == run_id))
        if not found:
            return None
        return tuple(Artifact(*entry) for entry in json.loads(found[0].listing))

    # Registry

    def models(
        self, project: str | None = None, projects: tuple[str, ...] | None = None
    ) -> tuple[RegisteredModel, ...]:
        """Return the registered models with all versions."""
        with self.connect() as connection:
            return tuple(registered_models(connection, _wanted(project, projects), None))

    def model(self, project: str, name: str) -> RegisteredModel:
        """Return one registered model.

        Raises:
            NotFoundError: No such model in that project.
        """
        with self.connect() as connection:
            for model in registered_models(connection, (project,), name):
                return model
        raise NotFoundError(
            f"Project {project[:64]} has no registered model {name[:80]!r}.",
            "`mlops models list` names the models there are.",
        )

    # Projects

    def projects(self, projects: tuple[str, ...] | None = None) -> tuple[ProjectSummary, ...]:
        """Return every known project with its counts, champion and best result."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            return tuple(summaries(connection, columns, projects))

    def project(self, project_id: str) -> ProjectSummary:
        """Return one project.

        Raises:
            NotFoundError: No such project.
        """
        for summary in self.projects((project_id,)):
            return summary
        raise NotFoundError(
            f"There is no project {project_id[:64]!r}.",
            "`mlops projects list` names the projects; `mlops projects add PATH` adds one.",
        )

    def leaderboard(
        self,
        project: str,
        metric: str | None = None,
        filter: str = "",  # noqa: A002 - the field's own word, as in RunQuery
        since: datetime | None = None,
    ) -> tuple[TechniqueRow, ...]:
        """Return the techniques of a project by mean of a metric (default: primary), best first.

        Raises:
            FilterError: The filter does not parse.
            NotFoundError: No such project.
        """
        summary = self.project(project)
        chosen = metric or summary.primary_metric
        if chosen is None:
            return ()
        goal = summary.goal if chosen == summary.primary_metric else goal_of(chosen)
        query = RunQuery(filter=filter, project=project, since=since)
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            positions = self._matching(connection, query)
            return technique_rows(connection, columns, positions, project, chosen, goal)

    # Feed and engines

    def changes(
        self,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
        *,
        since: datetime | None = None,
        kinds: Sequence[str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[Change, ...]:
        """Return lines of the change feed, newest first; ``before`` pages on by number."""
        table = schema.changes
        query = select(table).order_by(table.c.number.desc()).limit(limit)
        wanted = _wanted(project, projects)
        if wanted is not None:
            query = query.where(table.c.project.in_(wanted) | table.c.project.is_(None))
        if since is not None:
            query = query.where(table.c.at_ms >= since.timestamp() * 1000)
        if kinds:
            query = query.where(table.c.kind.in_(kinds))
        if before is not None:
            query = query.where(table.c.number < before)
        return tuple(
            Change(
                row.number,
                datetime.fromtimestamp(row.at_ms / 1000, UTC),
                row.kind,
                row.project,
                row.subject,
                row.title,
                row.before,
                row.after,
            )
            for row in self.rows(query)
        )

    def runs_per_day(
        self,
        project: str | None = None,
        *,
        since: datetime,
        projects: tuple[str, ...] | None = None,
    ) -> tuple[tuple[date, int, int], ...]:
        """Return (UTC day, runs started, of them failed or lost), oldest first, no day left out."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            mask = self._scope(RunQuery(project=project, projects=projects))
            started = columns.started_ms[: columns.size]
            mask &= started >= since.timestamp() * 1000
            days = (started[mask] // 86_400_000).astype(np.int64)
            bad = columns.texts["status"].equal("failed", "lost")
            failed = bad[: columns.size][mask]
        first = int(since.timestamp() // 86_400)
        last = int(datetime.now(UTC).timestamp() // 86_400)
        return tuple(
            (
                datetime.fromtimestamp(day * 86_400, UTC).date(),
                int((days == day).sum()),
                int(failed[days == day].sum()),
            )
            for day in range(first, last + 1)
        )

    def freshness(self) -> tuple[Freshness, ...]:
        """Return how old the picture of each engine is."""
        return tuple(
            Freshness(
                row.name,
                row.title,
                row.state,
                _moment(row.since_ms),
                _moment(row.last_sync_ms),
                row.reason,
                row.hint,
            )
            for row in self.rows(select(schema.engines).order_by(schema.engines.c.name))
        )


class _Reading:
    """A connection whose database errors are sentences."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except DatabaseError as error:
            raise _unreadable(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, DatabaseError):
            raise _unreadable(error) from error


def _unreadable(error: DatabaseError) -> PlatformError:
    return PlatformError(
        f"The mirror cannot be read ({error.orig}).",
        "The controller makes it when it starts and replaces a damaged one: see `mlops status`.",
    )


def _wanted(project: str | None, projects: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if project is None:
        return projects
    return (project,) if projects is None or project in projects else ()


def _last_sync(connection: Connection) -> datetime | None:
    table = schema.engines
    found = connection.execute(
        select(table.c.last_sync_ms).where(table.c.name == "mlflow")
    ).scalar()
    return _moment(found)


def _moment(ms: float | None) -> datetime | None:
    if ms is None or math.isnan(ms):
        return None
    return datetime.fromtimestamp(ms / 1000, UTC)


_Cell = tuple[str, str, float | str | None]


def _cells(field: str, column: Text | Numbers | None, shown: Positions) -> list[_Cell]:
    """Return a column's values for the rows of a page."""
    group, name = split_field(field)
    if column is None:
        return [(group, name, None) for _ in shown]
    if isinstance(column, Text):
        codes = column.codes[shown]
        return [(group, name, column.words[code] if code >= 0 else None) for code in codes]
    size = int(shown.max(initial=0)) + 1
    size = max(size, int(column.positions.max(initial=0)) + 1)
    values, present = column.values(size)[shown], column.present(size)[shown]
    return [
        (group, name, float(value) if known else None)
        for value, known in zip(values, present, strict=True)
    ]


def _logged(connection: Connection, group: str, rid: int) -> Iterable[Row]:  # type: ignore[type-arg]  # name and value
    table = schema.metadata.tables[group]
    return connection.execute(
        select(schema.keys.c.name, table)
        .join(schema.keys, schema.keys.c.key_id == table.c.key_id)
        .where(table.c.rid == rid)
        .order_by(schema.keys.c.name)
    )
