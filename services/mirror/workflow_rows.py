"""Rows of the workflow tables as what they stand for, and back."""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Row

from services.mirror.workflow_models import (
    Decided,
    PolicyDecision,
    QueueRow,
    TaskRun,
    Wait,
    Workflow,
    WorkflowFault,
    WorkflowParam,
    WorkflowRun,
    WorkflowTask,
)

_WORKFLOW_TIMES = ("next_run_at", "parsed_at")
_TASK_TIMES = ("scheduled_at", "queued_at", "started_at", "ended_at")
_QUEUE_TIMES = ("expected_at", "expected_late_at", "since", "ends_at")


def packed(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is stored; what JSON cannot hold is text."""
    try:
        return orjson.dumps(document, default=str)
    except orjson.JSONEncodeError:  # a number beyond 64 bits, or text that is no text
        return json.dumps(document, default=str).encode("ascii", "replace")


def moment(ms: int | None) -> datetime | None:
    """Return a stored time."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def workflow_document(one: Workflow) -> bytes:
    """Return what is stored of a workflow."""
    document = asdict(one)
    del document["dag_id"], document["project"]
    return packed(document)


def workflow_of(row: Row[Any]) -> Workflow:
    """Return a workflow."""
    said = _read(row.document)
    said |= {name: _time(said[name]) for name in _WORKFLOW_TIMES}
    said["tasks"] = tuple(
        WorkflowTask(**{**task, "downstream": tuple(task["downstream"])}) for task in said["tasks"]
    )
    said["params"] = tuple(WorkflowParam(**param) for param in said["params"])
    said |= {name: tuple(said[name]) for name in ("makes", "starts_on")}
    return Workflow(dag_id=row.dag_id, project=row.project, **said)


def fault_of(row: Row[Any]) -> WorkflowFault:
    """Return a fault."""
    at = datetime.fromtimestamp(row.at_ms / 1000, UTC)
    return WorkflowFault(row.file, row.project, row.cause, row.stacktrace, at)


def run_of(row: Row[Any]) -> WorkflowRun:
    """Return a run."""
    said = _read(row.document)
    cause = said.pop("caused_by", None)
    return WorkflowRun(
        dag_id=row.dag_id,
        run_id=row.run_id,
        project=row.project,
        state=row.state,
        kind=row.kind,
        queued_at=moment(row.queued_ms),
        started_at=moment(row.started_ms),
        ended_at=moment(row.ended_ms),
        caused_by=(cause[0], cause[1]) if cause else None,
        **said,
    )


def task_of(row: Row[Any]) -> TaskRun:
    """Return a task of a run."""
    said = _read(row.document)
    said |= {name: _time(said[name]) for name in _TASK_TIMES}
    return TaskRun(
        dag_id=row.dag_id,
        run_id=row.run_id,
        task_id=row.task_id,
        map_index=row.map_index,
        project=row.project,
        evidence=_read(row.evidence),
        **said,
    )


def decided_of(row: Row[Any]) -> Decided:
    """Return the queue as it was decided last."""
    at = datetime.fromtimestamp(row.at_ms / 1000, UTC)
    return replace(_picture(row.document), at=at)


@functools.lru_cache(maxsize=2)
def _picture(document: bytes) -> Decided:
    """Read a picture once: every open tab asks for it every two seconds, and it changes less."""
    said = _read(document)
    rows = tuple(
        QueueRow(**{**one, **{name: _time(one[name]) for name in _QUEUE_TIMES}})
        for one in said["rows"]
    )
    hosts, shares, pools = (tuple(said[name]) for name in ("hosts", "shares", "pools"))
    asks = tuple(said.get("asks", ()))  # a picture of an earlier version has none
    return Decided(datetime.min.replace(tzinfo=UTC), rows, hosts, shares, pools, asks)


def wait_of(row: Row[Any]) -> Wait:
    """Return a stretch of waiting."""
    begin = datetime.fromtimestamp(row.begin_ms / 1000, UTC)
    return Wait(row.job, row.project, row.kind, row.said, begin, moment(row.end_ms))


def decision_of(row: Row[Any]) -> PolicyDecision:
    """Return a decision of the policy."""
    said = _read(row.document)
    said["figures"] = tuple(said["figures"])
    at = datetime.fromtimestamp(row.at_ms / 1000, UTC)
    return PolicyDecision(host=row.host, at=at, **said)


def _read(document: bytes) -> dict[str, Any]:
    return dict(orjson.loads(document))


def _time(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)
