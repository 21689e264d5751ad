"""What OpenLineage events look like (spec 2-0-2): other tools read where things come from.

What has a beginning and an end is a run: START, then COMPLETE, FAIL or ABORT. What goes on without
an end (a deployment) is a job that reads and writes datasets, without a run. The same thing has the
same ids each time it is told.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

PRODUCER = "urn:efficientai-mlx-toolkit:mlops"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
NAMESPACE = "mlops"
_FACETS = "https://openlineage.io/spec/facets"
_VERSION = f"{_FACETS}/1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
_PARENT = f"{_FACETS}/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet"
_JOB_TYPE = f"{_FACETS}/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
_TIME = f"{_FACETS}/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet"
_ASSERTIONS = (
    f"{_FACETS}/1-0-2/DataQualityAssertionsDatasetFacet.json#/$defs"
    "/DataQualityAssertionsDatasetFacet"
)

Event = dict[str, Any]
Part = dict[str, Any]
"""A job, a run, a dataset, or the facets of one."""
Type = Literal["START", "COMPLETE", "FAIL", "ABORT", "OTHER"]


def run_event(
    type_: Type,
    at_ms: int,
    run: Part,
    job_: Part,
    inputs: Sequence[Part] = (),
    outputs: Sequence[Part] = (),
) -> Event:
    """Return what tells of a run; ``at_ms``: milliseconds since 1970 UTC."""
    return {
        **_event("RunEvent", at_ms, job_, inputs, outputs),
        "eventType": type_,
        "run": run,
    }


def job_event(
    at_ms: int, job_: Part, inputs: Sequence[Part] = (), outputs: Sequence[Part] = ()
) -> Event:
    """Return what tells what a job reads and writes from now on."""
    return _event("JobEvent", at_ms, job_, inputs, outputs)


def _event(
    kind: str, at_ms: int, job_: Part, inputs: Sequence[Part], outputs: Sequence[Part]
) -> Event:
    return {
        "eventTime": time(at_ms),
        "producer": PRODUCER,
        "schemaURL": f"{SCHEMA}/{kind}",
        "job": job_,
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def job(name: str, type_: str, integration: str = "MLOPS", processing: str = "BATCH") -> Part:
    """Return a job; ``type_`` says what it does, as the spec leaves it to who tells."""
    facet = _facet(_JOB_TYPE, processingType=processing, integration=integration, jobType=type_)
    return {"namespace": NAMESPACE, "name": name, "facets": {"jobType": facet}}


def run(
    run_id: str,
    parent: tuple[str, str] | None = None,
    window_ms: tuple[int, int] | None = None,
) -> Part:
    """Return a run.

    Args:
        run_id: Its UUID.
        parent: UUID and job of the run that began it.
        window_ms: Of which stretch of time it is, the end not in it.
    """
    facets: Part = {}
    if parent is not None:
        of = {"namespace": NAMESPACE, "name": parent[1]}
        facets["parent"] = _facet(_PARENT, run={"runId": parent[0]}, job=of)
    if window_ms is not None:
        begin, end = map(time, window_ms)
        facets["nominalTime"] = _facet(_TIME, nominalStartTime=begin, nominalEndTime=end)
    return {"runId": run_id, "facets": facets}


def dataset(name: str, version: str) -> Part:
    """Return a dataset in one version."""
    facet = _facet(_VERSION, datasetVersion=version)
    return {"namespace": NAMESPACE, "name": name, "facets": {"version": facet}}


def asserted(of: Part, assertions: Sequence[Part]) -> Part:
    """Return an input with what was found of it; without a finding it is as it was."""
    if not assertions:
        return of
    facet = _facet(_ASSERTIONS, assertions=list(assertions))
    return {**of, "inputFacets": {"dataQualityAssertions": facet}}


def _facet(schema_url: str, **said: object) -> Part:
    return {"_producer": PRODUCER, "_schemaURL": schema_url, **said}


def run_uuid(run_id: str) -> str:
    """Return a run's UUID: MLflow's ids are its hexadecimal digits; of another one it is made."""
    try:
        return str(uuid.UUID(hex=run_id))
    except ValueError:
        return made_uuid("run", run_id)


def made_uuid(kind: str, key: str) -> str:
    """Return the UUID of what has none: the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}:{kind}:{key}"))


def time(ms: int) -> str:
    """Return a moment as the spec writes it."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
