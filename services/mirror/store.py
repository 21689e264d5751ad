"""Writing the mirror: one writer process, one transaction a batch, a feed line for each event."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, select, update

from services.engines.mlflow.models import Model, Point, TrackedRun, Version
from services.mirror import schema
from services.mirror.connection import Reading, writing
from services.mirror.curves import merged_curve
from services.mirror.events import Event, alias_events, now_ms, run_events, run_title, version_event
from services.mirror.models import EngineState
from services.mirror.rows import metric_row, model_row, run_row, version_row
from services.mirror.statements import append_events, count_on, insert, upsert

_CHUNK = 500
_FEED_DAYS_FIRST_READ = 7
_FEED_LINES_FIRST_READ = 200


class Store:
    """The mirror's one writer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with Reading(engine) as connection:
            self._keys = _known_keys(connection)
        self._sure = True
        """Whether the keys are what the database holds: those of a failed write are not."""

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction. After one that failed, what it numbered is read again.

        Numbers of a failed write are given away again: kept, they would file values under a wrong
        name. And of a server that went away during the commit nobody knows whether it was done.
        """
        try:
            with writing(self.engine) as connection:
                if not self._sure:
                    self._keys, self._sure = _known_keys(connection), True
                yield connection
        except BaseException:  # after an interrupt, too, the numbers are unsure; raised again
            self._sure = False
            raise

    # Small values

    def read_meta(self, key: str) -> str | None:
        """Return a value the sync keeps, None when it was never written."""
        with Reading(self.engine) as connection:
            return _meta(connection, key)

    def write_meta(self, key: str, value: str) -> None:
        """Keep a value."""
        with self._writing() as connection:
            _put_meta(connection, key, value)

    # Runs

    def write_runs(
        self, project: str, batch: Sequence[TrackedRun], *, first_read: bool = False
    ) -> None:
        """Insert or replace runs with all they logged."""
        for start in range(0, len(batch), _CHUNK):
            with self._writing() as connection:
                self._write_chunk(connection, project, batch[start : start + _CHUNK], first_read)

    def _write_chunk(
        self,
        connection: Connection,
        project: str,
        chunk: Sequence[TrackedRun],
        first_read: bool,  # noqa: FBT001 - private, always passed by write_runs
    ) -> None:
        runs = {run.run_id: run for run in chunk}
        table = schema.runs
        change = count_on(connection)  # first: from here on other writers wait
        known = {
            row.run_id: row
            for row in connection.execute(select(table).where(table.c.run_id.in_(runs)))
        }
        rid = (connection.execute(select(func.max(table.c.rid))).scalar() or 0) + 1
        rows, events, rids = [], [], {}
        for run in runs.values():
            old = known.get(run.run_id)
            if old is None:
                rids[run.run_id] = rid
                rid += 1
            else:
                rids[run.run_id] = old.rid
            row = run_row(rids[run.run_id], project, run, change)
            if old is not None and _still_lost(old, row):
                row |= {"status": old.status, "status_reason": old.status_reason}
            else:
                archived = bool(old.archived) if old else None
                events += run_events(project, run, old.status if old else None, archived)
            rows.append(row)
        upsert(connection, "runs", ("rid",), rows)
        if known:
            self._forget_values(connection, [row.rid for row in known.values()])
        self._write_values(connection, runs.values(), rids)
        if first_read:
            since = now_ms() - _FEED_DAYS_FIRST_READ * 86_400_000
            events = [event for event in events if event.at_ms >= since]
            events = sorted(events, key=lambda event: event.at_ms)[-_FEED_LINES_FIRST_READ:]
        append_events(connection, events)

    def _forget_values(self, connection: Connection, rids: list[int]) -> None:
        for table in (schema.metrics, schema.params, schema.tags):
            connection.execute(
                delete(table).where(table.c.rid == bindparam("gone")),
                [{"gone": rid} for rid in rids],
            )

    def _write_values(
        self, connection: Connection, runs: Iterable[TrackedRun], rids: Mapping[str, int]
    ) -> None:
        metric_rows, param_rows, tag_rows = [], [], []
        for run in runs:
            rid = rids[run.run_id]
            for name, metric in run.metrics.items():
                metric_rows.append(metric_row(self._key(connection, "m", name), rid, metric))
            for name, value in run.params.items():
                key = self._key(connection, "p", name)
                param_rows.append({"key_id": key, "rid": rid, "value": value})
            for name, value in run.tags.items():
                key = self._key(connection, "t", name)
                tag_rows.append({"key_id": key, "rid": rid, "value": value})
        insert(connection, "metrics", metric_rows)
        insert(connection, "params", param_rows)
        insert(connection, "tags", tag_rows)

    def _key(self, connection: Connection, kind: str, name: str) -> int:
        known = self._keys.get((kind, name))
        if known is not None:
            return known
        made = connection.execute(
            schema.keys.insert().values(kind=kind, name=name).returning(schema.keys.c.key_id)
        ).scalar_one()
        self._keys[kind, name] = made
        return int(made)

    def mark_lost(self, lost: Mapping[str, str]) -> None:
        """Show running runs as lost: ``{run_id: why}``."""
        if not lost:
            return
        table = schema.runs
        with self._writing() as connection:
            change = count_on(connection)
            rows = connection.execute(select(table).where(table.c.run_id.in_(lost))).all()
            for row in rows:
                why = lost[row.run_id]
                connection.execute(
                    update(table)
                    .where(table.c.rid == row.rid)
                    .values(status="lost", status_reason=why, change=change)
                )
            append_events(
                connection,
                [
                    Event(
                        now_ms(),
                        "run.lost",
                        row.project,
                        row.run_id,
                        f"Run {run_title(row.name, row.run_id)} is lost: {lost[row.run_id]}",
                        "running",
                        "lost",
                    )
                    for row in rows
                ],
            )

    # Curves and artifact listings

    def curve_end(self, run_id: str, key: str) -> int | None:
        """Return the last step the mirror holds of a curve, None when it holds none."""
        table = schema.curves
        with Reading(self.engine) as connection:
            row = connection.execute(
                select(table.c.steps).where(table.c.run_id == run_id, table.c.key == key)
            ).first()
        steps = np.frombuffer(row.steps, "<i8") if row else np.empty(0, "<i8")
        return int(steps[-1]) if len(steps) else None

    def extend_curve(self, run_id: str, key: str, points: Sequence[Point]) -> None:
        """Add points to a curve; a point at a step the curve holds replaces it."""
        table = schema.curves
        with self._writing() as connection:
            row = connection.execute(
                select(table).where(table.c.run_id == run_id, table.c.key == key)
            ).first()
            steps, values, times = merged_curve(
                (row.steps, row.values, row.times) if row else (b"", b"", b""), points
            )
            filled = {
                "run_id": run_id,
                "key": key,
                "points_total": len(steps),
                "last_ms": int(times[-1]) if len(times) else 0,
                "steps": steps.tobytes(),
                "values": values.tobytes(),
                "times": times.tobytes(),
            }
            upsert(connection, "curves", ("run_id", "key"), [filled])
            count_on(connection)

    def write_artifacts(self, run_id: str, listing: Sequence[tuple[str, bool, int | None]]) -> None:
        """Keep the listing of a run's artifacts."""
        row = {
            "run_id": run_id,
            "fetched_ms": now_ms(),
            "listing": json.dumps(listing).encode(),
        }
        with self._writing() as connection:
            upsert(connection, "artifacts", ("run_id",), [row])
            count_on(connection)

    # Registry

    def write_registry(
        self, project: str, models: Sequence[Model], versions: Sequence[Version]
    ) -> tuple[Event, ...]:
        """Replace a project's models and versions; return what changed of their aliases."""
        with self._writing() as connection:
            old_aliases = {
                row.name: json.loads(row.aliases)
                for row in connection.execute(
                    select(schema.models).where(schema.models.c.project == project)
                )
            }
            old_versions = {
                (row.name, row.version)
                for row in connection.execute(
                    select(schema.versions.c.name, schema.versions.c.version).where(
                        schema.versions.c.project == project
                    )
                )
            }
            for table in (schema.models, schema.versions):
                connection.execute(delete(table).where(table.c.project == project))
            insert(connection, "models", [model_row(project, model) for model in models])
            insert(connection, "versions", [version_row(project, v) for v in versions])
            made = [v for v in versions if (v.model, v.version) not in old_versions]
            append_events(connection, [version_event(project, version) for version in made])
            aliases = alias_events(project, models, old_aliases)
            append_events(connection, aliases)
            count_on(connection)
        return tuple(aliases)

    # Projects and engines

    def write_project(self, project: str, state: str, document: Mapping[str, object]) -> None:
        """Keep what discovery found of a project; a change of state becomes a feed line."""
        table = schema.projects
        with self._writing() as connection:
            old = connection.execute(select(table).where(table.c.id == project)).first()
            content = json.dumps(document, sort_keys=True).encode()
            if old is not None and (old.state, old.document) == (state, content):
                return
            row = {"id": project, "seen_ms": now_ms(), "state": state, "document": content}
            upsert(connection, "projects", ("id",), [row])
            if old is None or old.state != state:
                title = f"Project {document.get('title') or project} is {state}"
                before = old.state if old else None
                event = Event(now_ms(), f"project.{state}", project, project, title, before, state)
                append_events(connection, [event])
            count_on(connection)

    def project_state(self, project: str) -> str | None:
        """Return the state a project was kept in, None when it is not known."""
        table = schema.projects
        with self._writing() as connection:
            return connection.execute(select(table.c.state).where(table.c.id == project)).scalar()

    def forget_project(self, project: str) -> None:
        """Drop a project that is neither registered nor found any more."""
        with self._writing() as connection:
            connection.execute(delete(schema.projects).where(schema.projects.c.id == project))
            count_on(connection)

    def note(self, kind: str, sentence: str) -> None:
        """Put a sentence about the platform itself into the change feed."""
        with self._writing() as connection:
            append_events(connection, [Event(now_ms(), kind, None, "mirror", sentence)])
            count_on(connection)

    def forget_engine(self, name: str) -> None:
        """Leave out an engine that is no longer wanted."""
        with self._writing() as connection:
            table = schema.engines
            if connection.execute(delete(table).where(table.c.name == name)).rowcount:
                count_on(connection)

    def write_engine(
        self,
        name: str,
        title: str,
        state: EngineState,
        reason: str = "",
        hint: str = "",
        *,
        event: bool = True,
    ) -> None:
        """Keep how an engine answered just now; a change of state is an event, if not told else."""
        table = schema.engines
        at = now_ms()
        with self._writing() as connection:
            old = connection.execute(select(table).where(table.c.name == name)).first()
            turned = old is None or old.state != state
            row = {
                "name": name,
                "title": title,
                "state": state,
                "since_ms": at if turned or old is None else old.since_ms,
                "last_sync_ms": at if state == "live" else (old.last_sync_ms if old else None),
                "reason": reason,
                "hint": hint,
            }
            upsert(connection, "engines", ("name",), [row])
            if turned:
                sentence = f"{title} is {state}" + (f": {reason}" if reason else "")
                kind = f"engine.{state}"
                before = old.state if old else None
                if event:
                    told = Event(at, kind, None, name, sentence, before, state)
                    append_events(connection, [told])
                count_on(connection)


def _known_keys(connection: Connection) -> dict[tuple[str, str], int]:
    rows = connection.execute(select(schema.keys))
    return {(row.kind, row.name): row.key_id for row in rows}


def _still_lost(old: Row, new: Mapping[str, object]) -> bool:  # type: ignore[type-arg]  # of runs
    """Return whether a run that was given up says "running" only because nobody closed it."""
    same_sign = old.sign_ms == new["sign_ms"]
    return bool(old.status == "lost" and new["status"] == "running" and same_sign)


def _meta(connection: Connection, key: str) -> str | None:
    row = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == key)).first()
    return None if row is None else str(row.value)


def _put_meta(connection: Connection, key: str, value: str) -> None:
    upsert(connection, "meta", ("key",), [{"key": key, "value": value}])
