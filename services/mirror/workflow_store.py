"""Writes what Airflow said of workflows, and what was decided of the queue."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, select, update

from services.engines.airflow.models import DagRun, TaskInstance
from services.mirror import workflow_tables as tables
from services.mirror.connection import writing
from services.mirror.events import Event, now_ms
from services.mirror.statements import append_events, count_on, upsert
from services.mirror.workflow_models import ACTIVE_RUNS, Workflow, WorkflowFault
from services.mirror.workflow_rows import packed, workflow_document

_KEPT_MS = 35 * 86_400_000
"""Reasons and decisions are kept so long: what-if looks at the last weeks."""

Key = tuple[str, str, str, int]
"""(dag, run, task, map index)"""


class WorkflowStore:
    """The one writer of these tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def write_workflows(self, found: Iterable[Workflow]) -> None:
        """Keep workflows as Airflow has them now."""
        rows: list[dict[str, object]] = [
            {"dag_id": one.dag_id, "project": one.project, "document": workflow_document(one)}
            for one in found
        ]
        with writing(self.engine) as connection:
            upsert(connection, "workflows", ("dag_id",), rows)
            self._changed(connection, rows)

    def keep_workflows(self, dag_ids: Collection[str]) -> None:
        """Forget the workflows that Airflow has no more; their runs stay, they happened."""
        table = tables.workflows
        with writing(self.engine) as connection:
            gone = connection.execute(delete(table).where(table.c.dag_id.not_in(dag_ids))).rowcount
            self._changed(connection, gone)

    def write_faults(self, faults: Iterable[WorkflowFault]) -> None:
        """Keep which files make no workflow; a new one is an event."""
        table = tables.workflow_faults
        rows: list[dict[str, object]] = [
            {
                "file": one.file,
                "project": one.project,
                "cause": one.cause,
                "stacktrace": one.stacktrace,
                "at_ms": _ms(one.at),
            }
            for one in faults
        ]
        with writing(self.engine) as connection:
            old = {row.file: row.cause for row in connection.execute(select(table))}
            if old == {row["file"]: row["cause"] for row in rows}:
                return
            connection.execute(delete(table))
            upsert(connection, "workflow_faults", ("file",), rows)
            events = [
                _fault_event(row) for row in rows if old.get(str(row["file"])) != row["cause"]
            ]
            if events:
                append_events(connection, events)
                count_on(connection)
            count_on(connection, tables.WORKFLOW_CHANGE)

    def write_runs(self, found: Sequence[tuple[str, DagRun]], causes: Mapping[Any, Any]) -> None:
        """Keep runs, (project, run) each; that one began or ended is an event.

        Args:
            found: What changed.
            causes: (dag, run) that set one off by (dag, run), as far as it is known.
        """
        if not found:
            return
        rows = [
            _run_row(project, run, causes.get((run.dag_id, run.run_id))) for project, run in found
        ]
        table = tables.workflow_runs
        with writing(self.engine) as connection:
            old = {}
            for _, run in found:
                key = (table.c.dag_id == run.dag_id) & (table.c.run_id == run.run_id)
                row = connection.execute(select(table.c.state).where(key)).first()
                old[run.dag_id, run.run_id] = None if row is None else row.state
            upsert(connection, "workflow_runs", ("dag_id", "run_id"), rows)
            events = [
                e for p, run in found if (e := _run_event(p, run, old[run.dag_id, run.run_id]))
            ]
            if events:
                append_events(connection, events)
                count_on(connection)
            count_on(connection, tables.WORKFLOW_CHANGE)

    def write_tasks(self, found: Sequence[tuple[str, TaskInstance]]) -> bool:
        """Keep tasks of runs, (project, task) each; return whether any is not as it was."""
        table = tables.task_runs
        changed = False
        with writing(self.engine) as connection:
            for project, task in found:
                row = _task_row(project, task)
                old = connection.execute(select(table.c.document).where(_is(_key(task)))).first()
                if old is None:
                    connection.execute(table.insert(), [row | {"evidence": b"{}"}])
                elif old.document != row["document"]:
                    connection.execute(update(table).where(_is(_key(task))).values(row))
                else:
                    continue
                changed = True
            self._changed(connection, changed)
        return changed

    def keep_tasks(self, dag_id: str, run_id: str, there: Collection[tuple[str, int]]) -> None:
        """Forget tasks of a run that Airflow has no more: one that was mapped anew."""
        table = tables.task_runs
        with writing(self.engine) as connection:
            of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
            known = connection.execute(select(table.c.task_id, table.c.map_index).where(of_run))
            gone = [(row.task_id, row.map_index) for row in known if tuple(row) not in there]
            for task_id, map_index in gone:
                key = (dag_id, run_id, task_id, map_index)
                connection.execute(delete(table).where(_is(key)))
            self._changed(connection, gone)

    def write_evidence(self, key: Key, evidence: Mapping[str, Any], *, settled: bool) -> None:
        """Keep what a task's runner measured; ``settled``: nothing more will come."""
        document = packed(evidence)
        with writing(self.engine) as connection:
            table = tables.task_runs
            old = connection.execute(select(table).where(_is(key))).first()
            if old is None or (old.evidence, old.settled) == (document, settled):
                return
            new = {"evidence": document, "settled": settled}
            connection.execute(update(table).where(_is(key)).values(new))
            self._changed(connection, old.evidence != document)

    def forget_run(self, dag_id: str, run_id: str) -> None:
        """Forget a run that was deleted in Airflow, with its tasks."""
        with writing(self.engine) as connection:
            for table in (tables.task_runs, tables.workflow_runs):
                of_run = (table.c.dag_id == dag_id) & (table.c.run_id == run_id)
                connection.execute(delete(table).where(of_run))
            count_on(connection, tables.WORKFLOW_CHANGE)

    # The queue

    def write_picture(self, name: str, at_ms: int, document: Mapping[str, Any]) -> None:
        """Keep what was decided last; it has its own time and counts as no change."""
        with writing(self.engine) as connection:
            row: dict[str, object] = {"name": name, "at_ms": at_ms, "document": packed(document)}
            upsert(connection, "pictures", ("name",), [row])

    def write_waits(
        self,
        ended: Iterable[Mapping[str, object]],
        opened: Iterable[Mapping[str, object]],
        at_ms: int,
    ) -> None:
        """Keep stretches of waiting: those that ended, and those that are open now in their place.

        Each is {job, project, kind, said, begin_ms, end_ms}; ``at_ms`` is the time.
        """
        table = tables.waits
        with writing(self.engine) as connection:
            connection.execute(delete(table).where(table.c.open))
            rows = [{**one, "open": False} for one in ended] + [
                {**one, "open": True} for one in opened
            ]
            if rows:
                connection.execute(table.insert(), rows)
            connection.execute(delete(table).where(table.c.end_ms < at_ms - _KEPT_MS))

    def write_decision(self, host: str, at_ms: int, document: Mapping[str, Any], said: str) -> None:
        """Keep one decision of the thermal policy; it is an event."""
        table = tables.policy_decisions
        with writing(self.engine) as connection:
            row = {"host": host, "at_ms": at_ms, "document": packed(document)}
            connection.execute(table.insert(), [row])
            connection.execute(delete(table).where(table.c.at_ms < at_ms - _KEPT_MS))
            event = Event(at_ms, "policy.decided", None, host, said)
            append_events(connection, [event])
            count_on(connection)

    def note(self, kind: str, project: str | None, subject: str, title: str) -> None:
        """Put a sentence about workflows into the change feed."""
        with writing(self.engine) as connection:
            append_events(connection, [Event(now_ms(), kind, project, subject, title)])
            count_on(connection)

    @staticmethod
    def _changed(connection: Connection, anything: object) -> None:
        if anything:
            count_on(connection, tables.WORKFLOW_CHANGE)


def _key(task: TaskInstance) -> Key:
    return (task.dag_id, task.run_id, task.task_id, task.map_index)


def _is(key: Key) -> ColumnElement[bool]:
    table = tables.task_runs
    return (
        (table.c.dag_id == key[0])
        & (table.c.run_id == key[1])
        & (table.c.task_id == key[2])
        & (table.c.map_index == key[3])
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _run_row(project: str, run: DagRun, cause: tuple[str, str] | None) -> dict[str, object]:
    document = {
        "conf": run.conf,
        "triggered_by": run.triggered_by,
        "user": run.user,
        "note": run.note,
        "caused_by": cause,
    }
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "project": project,
        "state": run.state,
        "kind": run.kind,
        "due_ms": _ms(run.run_after),
        "queued_ms": _ms(run.queued_at),
        "started_ms": _ms(run.started_at),
        "ended_ms": _ms(run.ended_at),
        "document": packed(document),
    }


def _task_row(project: str, task: TaskInstance) -> dict[str, object]:
    document = {
        "title": task.title,
        "operator": task.operator,
        "state": task.state,
        "tries": task.tries,
        "max_tries": task.max_tries,
        "scheduled_at": _iso(task.scheduled_at),
        "queued_at": _iso(task.queued_at),
        "started_at": _iso(task.started_at),
        "ended_at": _iso(task.ended_at),
        "pool": task.pool,
        "queue": task.queue,
        "weight": task.priority_weight,
        "host": task.host,
        "note": task.note,
    }
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
        "project": project,
        "state": task.state,
        "settled": False,
        "tries": task.tries,
        "started_ms": _ms(task.started_at),
        "ended_ms": _ms(task.ended_at),
        "document": packed(document),
    }


def _run_event(project: str, run: DagRun, before: str | None) -> Event | None:
    """Return the line for a run that began or ended; none of one that was first seen ended."""
    if before == run.state or (before is None and run.state not in ACTIVE_RUNS):
        return None
    words = {"running": "started", "success": "succeeded", "failed": "failed"}
    if run.state not in words:
        return None
    at = run.started_at if run.state == "running" else run.ended_at
    title = f"Workflow {run.dag_id} {words[run.state]}"
    subject = f"{run.dag_id}/{run.run_id}"
    at_ms = _ms(at) or now_ms()
    return Event(at_ms, f"workflow.{words[run.state]}", project, subject, title, before, run.state)


def _fault_event(row: Mapping[str, object]) -> Event:
    title = f"{json.dumps(str(row['file']).rpartition('/')[2])} makes no workflow: {row['cause']}"
    return Event(now_ms(), "workflow.broken", str(row["project"]), str(row["file"]), title[:1000])
