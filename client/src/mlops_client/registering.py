"""Registering a model version over REST, so that it can be kept and done later, once."""

import uuid
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos import model_registry_pb2 as registry
from mlflow.protos import service_pb2 as api
from mlflow.store.model_registry.rest_store import RestStore as RegistryStore

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

_KEY = "mlops.registration"


def registration(run_id: str, name: str, path: str, tags: dict[str, str]) -> dict[str, Any]:
    """Return what must be done to register the model in a run's artifacts."""
    return {"run_id": run_id, "name": name, "path": path, "tags": tags, "key": uuid.uuid4().hex}


def register(store: "BufferedStore", wanted: dict[str, Any]) -> int | None:
    """Register a version; None when the server is away and it is kept for later."""
    from mlops_client.store import is_unreachable

    if store.spool is not None:
        store.keep("Register", wanted)
        return None
    try:
        return register_now(store, wanted)
    except MlflowException as error:
        if not is_unreachable(error):
            raise
        store.keep("Register", wanted, error)
        return None


def register_now(store: "BufferedStore", wanted: dict[str, Any]) -> int:
    """Register a version unless it is registered already; return its number."""
    models = RegistryStore(store.get_host_creds)
    name, key = wanted["name"], wanted["key"]
    try:
        models._call_endpoint(registry.CreateRegisteredModel, _json({"name": name}))  # noqa: SLF001
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for known in models.search_model_versions(f"name = '{name}'"):
        if known.tags.get(_KEY) == key:
            return int(known.version)
    run = store.call_now(api.GetRun, {"run_id": store.real_run(wanted["run_id"])}).run
    body = {
        "name": name,
        "source": f"{run.info.artifact_uri}/{wanted['path']}",
        "run_id": run.info.run_id,
        "tags": [{"key": k, "value": v} for k, v in {**wanted["tags"], _KEY: key}.items()],
    }
    made = models._call_endpoint(registry.CreateModelVersion, _json(body))  # noqa: SLF001
    return int(made.model_version.version)


def _json(body: dict[str, Any]) -> str:
    import json

    return json.dumps(body)
