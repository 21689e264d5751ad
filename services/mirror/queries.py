"""What pages, the command line and reports ask of the mirror."""

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, Row, Select, select
from sqlalchemy.engine import make_url

from services.errors import InputError, NotFoundError, PlatformError
from services.mirror import schema
from services.mirror.columns import Columns, Positions
from services.mirror.connection import Reading
from services.mirror.curves import curve_of, missing_curves
from services.mirror.daily import per_day
from services.mirror.detail import run_detail
from services.mirror.engines import freshness, last_sync
from services.mirror.fields import HIDDEN_TAGS, attribute_fields, logged_by, value_field
from services.mirror.filters import GROUPS, parse, split_field
from services.mirror.frame import Frame, frame_of
from services.mirror.lines import change_lines
from services.mirror.main_metric import MAIN_METRIC, main_metric_keys, primaries
from services.mirror.models import (
    Artifact,
    Change,
    Curve,
    FieldInfo,
    Freshness,
    ProjectSummary,
    RegisteredModel,
    Run,
    RunDetail,
    RunPage,
    RunQuery,
    TechniqueRow,
)
from services.mirror.page import cells_of, newest_of_each, rows_of
from services.mirror.projects import goal_of, summaries, technique_rows
from services.mirror.registry import registered_models
from services.mirror.scope import scope_of, wanted_of
from services.mirror.search import Search
from services.mirror.tagged import Tagged, tagged
from services.mirror.text import Text

if TYPE_CHECKING:
    from services.settings import Settings

_LIMIT = 1_000
_LARGE = 20_000
# A lock let go and taken at once again never reaches the page that waits for it.
_GIVE_WAY_S = 0.005


class Mirror:
    """Reads of one mirror. One object a process; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = Path(make_url(url).database or "") if url.startswith("sqlite") else None
        self._engine = schema.open_engine(url)
        self._inode = self._found_inode()
        self._columns = Columns()
        self._born: str | None = None
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

    def connect(self) -> Reading:
        """Return a connection for a ``with`` block; database errors become sentences."""
        return Reading(self.engine)

    def change(self) -> int:
        """Return the number of the last change: what is cached under it is still true."""
        found = self.rows(select(schema.meta.c.value).where(schema.meta.c.key == "change"))
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
            cells = [cells_of(name, search.column(name), shown) for name in query.columns]
            rows = rows_of(columns, shown, cells)
            if columns.size > _LARGE:
                self._warm_aside()
            return RunPage(len(positions), rows, last_sync(connection), columns.change)

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

    def newest_of_each(self, query: RunQuery) -> tuple[tuple[int, Run], ...]:
        """Return the newest matching run of each project in each state, and how many there are."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            return newest_of_each(columns, self._matching(connection, query))

    def _fresh(self, connection: Connection) -> Columns:
        table = schema.meta
        query = select(table.c.key, table.c.value).where(table.c.key.in_(("change", schema.BORN)))
        found = {row.key: row.value for row in connection.execute(query)}
        if found.get(schema.BORN) != self._born:  # made anew under us: its numbers begin anew, too
            self._columns = Columns()
            self._born = found.get(schema.BORN)
        self._columns.refresh(connection, int(found.get("change", 0)))
        return self._columns

    def _matching(self, connection: Connection, query: RunQuery) -> Positions:
        columns = self._columns
        node = parse(query.filter)
        search = Search(columns, connection, query.filter)
        if query.sort == MAIN_METRIC:
            judged = primaries(connection)
            name = f"{MAIN_METRIC} {judged}"  # another order when a project declares another metric
            keys = main_metric_keys(columns, connection, judged, descending=query.descending)
        else:
            name = query.sort
            keys = lambda: search.sort_keys(query.sort)()  # noqa: E731 - not made for a known order
        order = columns.order(name, keys, descending=query.descending)
        mask = scope_of(columns, query)
        if node is not None:
            mask &= search.mask(node)
        return order[mask[order]]

    def run(self, run_id: str) -> RunDetail:
        """Return everything the mirror knows of a run.

        Raises:
            NotFoundError: No such run.
        """
        with self.connect() as connection:
            return run_detail(connection, run_id)

    def fields(
        self, project: str | None = None, projects: tuple[str, ...] | None = None
    ) -> tuple[FieldInfo, ...]:
        """Return what can be filtered, sorted and shown, with how many runs have it."""
        scope = RunQuery(project=project, projects=projects)
        with self.connect() as connection:
            with self._lock:
                columns = self._fresh(connection)
                mask = scope_of(columns, scope)
                found = [*attribute_fields(columns, mask)]
            for kind, group in (("m", "metrics"), ("p", "params"), ("t", "tags")):
                table = schema.keys
                names = connection.execute(
                    select(table.c.name).where(table.c.kind == kind).order_by(table.c.name)
                )
                shown = [name for name in names.scalars() if name not in HIDDEN_TAGS]
                step = columns.at_once
                for start in range(0, len(shown), step):
                    some = shown[start : start + step]
                    # Some columns at a time: reading all of them must not hold up the pages.
                    with self._lock:
                        columns.load(connection, group, some)
                        for name in some:
                            column = columns.values(connection, group, name)
                            if column is not None:
                                found += value_field(group, name, column, mask)
            return tuple(found)

    def fields_of(self, run_ids: Sequence[str]) -> tuple[FieldInfo, ...]:
        """Return what some runs logged, with how many of them have it; at most a few hundred."""
        with self.connect() as connection:
            logged = logged_by(connection, run_ids)
            return tuple(field for field in logged if split_field(field.name)[1] not in HIDDEN_TAGS)

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
        with self.connect() as connection:
            return missing_curves(connection, run_ids, keys)

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
            return tuple(registered_models(connection, wanted_of(project, projects), None))

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

    def tagged(self, tag: str, projects: tuple[str, ...]) -> Tagged:
        """Return what of the projects carries a tag, by the tag's value."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            scope = scope_of(columns, RunQuery(projects=projects))
            return tagged(connection, columns, scope, tag, projects)

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

    def frame(self, query: RunQuery, numbers: Sequence[str], words: Sequence[str]) -> Frame:
        """Return fields of all finished training runs a query finds, whatever its page."""
        with self._lock, self.connect() as connection:
            columns = self._fresh(connection)
            return frame_of(connection, columns, self._matching(connection, query), numbers, words)

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
        wanted = wanted_of(project, projects)
        with self.connect() as connection:
            return change_lines(connection, wanted, since, kinds, before, limit)

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
            mask = scope_of(columns, RunQuery(project=project, projects=projects))
            return per_day(columns, mask, since)

    def freshness(self) -> tuple[Freshness, ...]:
        """Return how old the picture of each engine is."""
        with self.connect() as connection:
            return freshness(connection)
