"""Workflow runs: the parents of training runs, and what a retraining began."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, func, select, tuple_

from services.actions import retraining_tables
from services.actions.journal import Journal
from services.lineage.openlineage import Event, Type, job, made_uuid, run, run_event
from services.lineage.told.points import Point, Window, chunked, of_this
from services.lineage.told.retrainings import job_of, retraining_uuid
from services.mirror import schema, workflow_tables
from services.mirror.queries import Mirror

_RUNS, _ASKED = workflow_tables.workflow_runs, retraining_tables.retrainings
_ENDS: dict[str, Type] = {"success": "COMPLETE", "failed": "FAIL"}


def workflow_uuid(dag: str, run_id: str) -> str:
    """Return the UUID of a workflow run."""
    return made_uuid("workflow", f"{dag}/{run_id}")


def events(mirror: Mirror, journal: Journal, places: Sequence[tuple[str, str]]) -> Iterator[Event]:
    """Yield the events of workflow runs, (DAG, run) each; of those that began.

    Raises:
        MlopsError: The mirror or the journal cannot be read.
    """
    if places:
        here = tuple_(_RUNS.c.dag_id, _RUNS.c.run_id).in_(places)
        yield from _told(journal, mirror.rows(select(_RUNS).where(here)))


def _told(journal: Journal, rows: Sequence[Row[Any]]) -> Iterator[Event]:
    parents = _parents(journal, [f"{row.dag_id}/{row.run_id}" for row in rows])
    for row in rows:
        if row.started_ms is None:
            continue
        parent = parents.get(f"{row.dag_id}/{row.run_id}")
        run_ = run(workflow_uuid(row.dag_id, row.run_id), parent)
        job_ = job(row.dag_id, "DAG", "AIRFLOW")
        yield run_event("START", row.started_ms, run_, job_)
        if row.state in _ENDS and row.ended_ms is not None:
            yield run_event(_ENDS[row.state], row.ended_ms, run_, job_)


def _parents(journal: Journal, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the retraining that began a workflow run, by ``DAG/RUN``: its UUID and its job."""
    query = select(_ASKED).where(_ASKED.c.workflow.in_(names))
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return {
        row.workflow: (
            retraining_uuid(row.project, row.model, row.id, row.created_ms),
            job_of(row.project, row.model),
        )
        for row in rows
    }  # fmt: skip


class Workflows:
    """Workflow runs that began or ended."""

    name = "workflows"

    def __init__(
        self, mirror: Mirror, journal: Journal, clock: Callable[[], float] = time.time
    ) -> None:
        self._mirror = mirror
        self._journal = journal
        self._clock = clock

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the events of workflow runs that began or ended since."""
        point, change = of_this(self._mirror, after), self._change()
        if point.get("change") == change:
            return
        window = Window(point, round(self._clock() * 1000))
        moment = func.coalesce(_RUNS.c.ended_ms, _RUNS.c.started_ms)
        query = select(_RUNS).where(moment >= window.since_ms).order_by(moment)
        fresh = (
            row for row in self._mirror.rows(query)
            if window.take(f"{row.dag_id}/{row.run_id}", row.ended_ms or row.started_ms)
        )  # fmt: skip
        for some in chunked(fresh):
            yield window.point(born=point["born"]), list(_told(self._journal, some))
        yield window.point(born=point["born"], change=change), []

    def _change(self) -> str | None:
        """Return the number of the mirror's last change of workflows."""
        table = schema.meta
        query = select(table.c.value).where(table.c.key == workflow_tables.WORKFLOW_CHANGE)
        rows = self._mirror.rows(query)
        return str(rows[0].value) if rows else None
