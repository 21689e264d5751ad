"""Registering a model version over REST, so that it can be kept and done later, once."""

import uuid
from collections.abc import Iterator
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos import model_registry_pb2 as registry
from mlflow.protos import service_pb2 as api
from mlflow.utils.rest_utils import MlflowHostCreds

from mlops_client import wire
from mlops_client.wire import Body, Proto

_KEY = "mlops.registration"
_IDS = 50  # a search's filter has its limits


def registration(run_id: str, name: str, path: str, tags: dict[str, str]) -> Body:
    """Return what must be done to register the model in a run's artifacts."""
    return {"run_id": run_id, "name": name, "path": path, "tags": tags, "key": uuid.uuid4().hex}


def register_now(credentials: MlflowHostCreds, wanted: Body, workspace: str | None = None) -> int:
    """Register a version unless it is registered already; return its number.

    Raises:
        MlflowException: The server refused, or did not answer.
    """
    name, key = wanted["name"], wanted["key"]
    try:
        wire.ask(credentials, registry.CreateRegisteredModel, {"name": name}, workspace)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = _registered(credentials, key, workspace)
    if known is not None:
        return known
    run = wire.ask(credentials, api.GetRun, {"run_id": wanted["run_id"]}, workspace).run
    tags: dict[str, Any] = {**wanted["tags"], _KEY: key}
    body = {
        "name": name,
        "source": f"{run.info.artifact_uri}/{wanted['path']}",
        "run_id": run.info.run_id,
        "tags": [{"key": k, "value": v} for k, v in tags.items()],
    }
    made = wire.ask(credentials, registry.CreateModelVersion, body, workspace)
    return int(made.model_version.version)


def tag_versions(credentials: MlflowHostCreds, wanted: Body, workspace: str | None = None) -> None:
    """Tag the versions registered from runs, however they were; a tag that is there stays.

    Args:
        credentials: The server's.
        wanted: ``runs``: the tags by the id of the run.
        workspace: The project's.

    Raises:
        MlflowException: The server refused, or did not answer.
    """
    runs: dict[str, dict[str, str]] = wanted["runs"]
    ids = list(runs)
    for start in range(0, len(ids), _IDS):
        for version in _versions_of(credentials, ids[start : start + _IDS], workspace):
            there = {tag.key for tag in version.tags}
            for key, value in runs.get(version.run_id, {}).items():
                if key not in there:
                    body = {"name": version.name, "version": version.version}
                    body |= {"key": key, "value": value}
                    wire.ask(credentials, registry.SetModelVersionTag, body, workspace)


def _versions_of(
    credentials: MlflowHostCreds, run_ids: list[str], workspace: str | None
) -> Iterator[Proto]:
    names = ",".join(f"'{run_id}'" for run_id in run_ids)
    query: Body = {"filter": f"run_id IN ({names})"}
    while True:
        found = wire.ask(credentials, registry.SearchModelVersions, query, workspace)
        yield from found.model_versions
        if not found.next_page_token:
            return
        query["page_token"] = found.next_page_token


def _registered(credentials: MlflowHostCreds, key: str, workspace: str | None) -> int | None:
    query = {"filter": f"tags.`{_KEY}` = '{key}'"}
    found = wire.ask(credentials, registry.SearchModelVersions, query, workspace).model_versions
    return int(found[0].version) if found else None
