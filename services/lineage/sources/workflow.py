"""Workflow runs: what they set off, and the training runs that their tasks made."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Row, select, tuple_

from services.lineage import tags
from services.lineage.models import Kind, Link, More, Node, Ref
from services.lineage.source import Found, Projects, from_ms, of_kind
from services.mirror import workflow_tables as tables
from services.mirror.queries import Mirror

MADE, SET_OFF = "made", "set off"
"""What was set off need not have read what set it off: the revision of its data says that."""
_SET_OFF_AT_MOST = 200
_RUNS, _TASKS = tables.workflow_runs, tables.task_runs


class WorkflowSource:
    """Edges of workflow runs."""

    kinds: frozenset[Kind] = frozenset(("workflow",))

    def __init__(self, mirror: Mirror, projects: Projects) -> None:
        self._mirror = mirror
        self._projects = projects

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the workflow runs that made runs, and those that set workflow runs off."""
        del most
        found = Found()
        runs = [one.key for one in of_kind(refs, "run")]
        for run, said in tags.of_runs(self._mirror, runs, (tags.TASK,)).items():
            place = tags.task_of(said)
            if place is not None:
                dag, dag_run, _ = place
                found.links.append(Link(Ref("workflow", f"{dag}/{dag_run}"), Ref("run", run), MADE))
        for one, row in self._rows(of_kind(refs, "workflow")).items():
            cause = orjson.loads(row.document).get("caused_by")
            if cause:
                found.links.append(
                    Link(
                        Ref("workflow", f"{cause[0]}/{cause[1]}"), one, SET_OFF, "some", holds=False
                    )
                )
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the runs that workflow runs made, and the workflow runs that they set off."""
        found = Found()
        for one in of_kind(refs, "workflow"):
            self._made(one, most, found)
            self._set_off(one, most, found)
        return found

    def _made(self, one: Ref, most: int, found: Found) -> None:
        seen = tags.carriers(self._mirror, tags.TASK, f"{one.key}/", self._projects, most)
        found.hidden += seen.hidden
        known = dict.fromkeys(row.run_id for row in seen.rows)
        if seen.total > len(known):
            left = seen.total - len(known)
            found.more.append(More(one, "down", left, f"{left:,} more runs were made by it."))
        else:  # what a task noted that MLflow does not tell of
            known |= dict.fromkeys(self._noted(one))
        found.links += [Link(one, Ref("run", run), MADE) for run in known]

    def _noted(self, one: Ref) -> list[str]:
        dag, _, run = one.key.partition("/")
        query = select(_TASKS.c.evidence).where(_TASKS.c.dag_id == dag, _TASKS.c.run_id == run)
        said = [orjson.loads(row.evidence).get("runs") or () for row in self._mirror.rows(query)]
        return [str(made["run_id"]) for runs in said for made in runs]

    def _set_off(self, one: Ref, most: int, found: Found) -> None:
        """Add what began because this made an asset; it began after this did."""
        rows = self._rows([one])
        begun = rows[one].started_ms if one in rows else None
        if begun is None:
            return
        query = (
            select(_RUNS.c.dag_id, _RUNS.c.run_id, _RUNS.c.document)
            .where(_RUNS.c.kind == "asset_triggered", _RUNS.c.due_ms >= begun)
            .order_by(_RUNS.c.due_ms)
            .limit(_SET_OFF_AT_MOST)
        )
        mine = list(one.key.split("/", 1))
        after = [
            Ref("workflow", f"{row.dag_id}/{row.run_id}")
            for row in self._mirror.rows(query)
            if orjson.loads(row.document).get("caused_by") == mine
        ]
        found.links += [Link(one, each, SET_OFF, "some", holds=False) for each in after[:most]]
        if len(after) > most:
            left = len(after) - most
            found.more.append(More(one, "down", left, f"{left:,} more runs were set off by it."))

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return what is known of workflow runs."""
        wanted = of_kind(refs, "workflow")
        rows = self._rows(wanted)
        return {one: _node(one, rows.get(one)) for one in wanted}

    def _rows(self, refs: Sequence[Ref]) -> dict[Ref, Row[Any]]:
        keys = [tuple(one.key.split("/", 1)) for one in refs if "/" in one.key]
        if not keys:
            return {}
        query = select(_RUNS).where(tuple_(_RUNS.c.dag_id, _RUNS.c.run_id).in_(keys))
        rows = self._mirror.rows(query)
        return {Ref("workflow", f"{row.dag_id}/{row.run_id}"): row for row in rows}


def _node(one: Ref, row: Row[Any] | None) -> Node:
    dag, _, run = one.key.partition("/")
    name = dag.partition(".")[2] or dag
    if row is None:
        project = dag.partition(".")[0] if "." in dag else None
        return Node(one, f"{name} {run}", project, "Airflow does not know this run", None, "gone")
    at = from_ms(row.started_ms or row.queued_ms or row.due_ms)
    return Node(one, f"{name} {run}", row.project, str(row.state), at)
