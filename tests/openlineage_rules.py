"""What OpenLineage's spec 2-0-2 and its facets ask of an event, as JSON schema.

From https://openlineage.io/spec/2-0-2/OpenLineage.json and the schemas that facets name in
``_schemaURL``. A facet that is not written down here is refused, so that each is looked up once.
"""

import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

_CHECK = FormatChecker(formats=())


@_CHECK.checks("uuid", raises=ValueError)
def _is_uuid(text: object) -> bool:
    return str(uuid.UUID(str(text))) == text


@_CHECK.checks("date-time", raises=ValueError)
def _is_moment(text: object) -> bool:
    return "T" in str(text) and datetime.fromisoformat(str(text)).tzinfo is not None


@_CHECK.checks("uri", raises=ValueError)
def _is_uri(text: object) -> bool:
    return bool(urlsplit(str(text)).scheme)


TEXT = {"type": "string"}
URI, MOMENT, UUID = ({**TEXT, "format": name} for name in ("uri", "date-time", "uuid"))


def _object(properties: dict[str, Any], *required: str, closed: bool = False) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "required": list(required)}
    return {**found, "additionalProperties": False} if closed else found


def _facet(url: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    base = {"_producer": URI, "_schemaURL": {"const": f"https://openlineage.io/spec/facets/{url}"}}
    return _object({**base, **properties}, "_producer", "_schemaURL", *required)


_NAMED = {"namespace": TEXT, "name": TEXT}
_PARENT = _facet(
    "1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet",
    {"run": _object({"runId": UUID}, "runId"), "job": _object(_NAMED, "namespace", "name")},
    "run", "job",
)  # fmt: skip
_TIME = _facet(
    "1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
    {"nominalStartTime": MOMENT, "nominalEndTime": MOMENT},
    "nominalStartTime",
)
_JOB_TYPE = _facet(
    "2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    {"processingType": {"enum": ["BATCH", "STREAMING", "SERVICE"]}, "integration": TEXT,
     "jobType": TEXT},
    "processingType", "integration",
)  # fmt: skip
_VERSION = _facet(
    "1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
    {"datasetVersion": TEXT},
    "datasetVersion",
)
_ASSERTION = _object(
    {"assertion": TEXT, "success": {"type": "boolean"}, "column": TEXT}, "assertion", "success"
)
_ASSERTIONS = _facet(
    "1-0-2/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet",
    {"assertions": {"type": "array", "items": _ASSERTION}},
    "assertions",
)
_DATASET = {**_NAMED, "facets": _object({"version": _VERSION}, closed=True)}
_INPUT = _object(
    {**_DATASET, "inputFacets": _object({"dataQualityAssertions": _ASSERTIONS}, closed=True)},
    "namespace", "name", closed=True,
)  # fmt: skip
_OUTPUT = _object(_DATASET, "namespace", "name", closed=True)
_JOB = _object(
    {**_NAMED, "facets": _object({"jobType": _JOB_TYPE}, closed=True)}, "namespace", "name",
    closed=True,
)  # fmt: skip
_RUN = _object(
    {"runId": UUID, "facets": _object({"parent": _PARENT, "nominalTime": _TIME}, closed=True)},
    "runId", closed=True,
)  # fmt: skip


def _event(kind: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    url = f"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{kind}"
    base = {"eventTime": MOMENT, "producer": URI, "schemaURL": {"const": url}}
    sets = {
        "inputs": {"type": "array", "items": _INPUT},
        "outputs": {"type": "array", "items": _OUTPUT},
    }
    return _object({**base, **sets, **properties}, *base, "job", *required, closed=True)


_TYPES = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
RULES = {
    "oneOf": [
        _event("RunEvent", {"eventType": {"enum": _TYPES}, "run": _RUN, "job": _JOB}, "run"),
        _event("JobEvent", {"job": _JOB}),  # with a run it would be none
    ]
}
_VALIDATOR = Draft202012Validator(RULES, format_checker=_CHECK)


def check(event: dict[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` when an event is not as the spec says."""
    _VALIDATOR.validate(event)
