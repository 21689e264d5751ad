"""Training runs as OpenLineage events (spec 2-0-2): other tools read where things come from.

A run is told by START and by COMPLETE, FAIL or ABORT; data and models are datasets with their
revision as version; the workflow run that made it is the parent. Ids are the same each time.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select

from services.lineage import tags
from services.mirror import schema
from services.mirror.queries import Mirror

PRODUCER = "urn:efficientai-mlx-toolkit:mlops"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
NAMESPACE = "mlops"
_FACETS = "https://openlineage.io/spec/facets"
_VERSION = f"{_FACETS}/1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
_PARENT = f"{_FACETS}/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet"
_JOB_TYPE = f"{_FACETS}/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
_ENDS = {"finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT", "lost": "ABORT"}
_VERSIONS = schema.versions

Event = dict[str, Any]


def events(mirror: Mirror, run_ids: Sequence[str]) -> Iterator[Event]:
    """Yield the events of training runs, each run's in the order they happened.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    rows = tags.runs(mirror, run_ids)
    said = tags.of_runs(mirror, run_ids, (tags.DATA, tags.MODELS, tags.TASK))
    made: dict[str, list[Row[Any]]] = {}
    columns = (_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.run_id)
    for row in tags.rows_of(mirror, select(*columns), _VERSIONS.c.run_id, list(rows)):
        made.setdefault(row.run_id, []).append(row)
    for run_id in dict.fromkeys(run_ids):
        if run_id in rows and rows[run_id].started_ms is not None:
            yield from _events(rows[run_id], said.get(run_id, {}), made.get(run_id, ()))


def _events(row: Row[Any], said: Mapping[str, str], made: Sequence[Row[Any]]) -> Iterator[Event]:
    place = tags.task_of(said)
    whole: Event = {
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run_uuid(row.run_id), "facets": _parent(place)},
        "job": {
            "namespace": NAMESPACE,
            "name": ".".join((place[0], place[2]) if place else (row.project, "training")),
            "facets": {
                "jobType": _facet(
                    _JOB_TYPE, processingType="BATCH", integration="MLFLOW", jobType="TRAINING"
                )
            },
        },
        "inputs": [_dataset(f"{row.project}/data", said[tags.DATA])] if tags.DATA in said else [],
        "outputs": [],
    }
    yield {**whole, "eventType": "START", "eventTime": _time(row.started_ms)}
    end = _ENDS.get(row.status)
    if end is None or row.ended_ms is None:
        return
    outputs = [_dataset(f"{one.project}/{one.name}", str(one.version)) for one in made]
    if tags.MODELS in said:
        outputs.append(_dataset(f"{row.project}/models", said[tags.MODELS]))
    yield {**whole, "eventType": end, "eventTime": _time(row.ended_ms), "outputs": outputs}


def _parent(place: tuple[str, str, str] | None) -> Event:
    if place is None:
        return {}
    dag, run, _ = place
    job = {"namespace": NAMESPACE, "name": dag}
    run_id = {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}:workflow:{dag}/{run}"))}
    return {"parent": _facet(_PARENT, run=run_id, job=job)}


def _dataset(name: str, version: str) -> Event:
    facet = _facet(_VERSION, datasetVersion=version)
    return {"namespace": NAMESPACE, "name": name, "facets": {"version": facet}}


def _facet(schema_url: str, **said: object) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": schema_url, **said}


def run_uuid(run_id: str) -> str:
    """Return a run's UUID: MLflow's ids are its hexadecimal digits; of another one it is made."""
    try:
        return str(uuid.UUID(hex=run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}:run:{run_id}"))


def _time(ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
