"""MLflow, as far as the platform needs it: one workspace a project, over its REST API."""

import time
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

import httpx

from services.engines.http import Json, ask, stream
from services.engines.mlflow.models import (
    ArtifactEntry,
    Experiment,
    Model,
    Point,
    RunBatch,
    TrackedRun,
    Version,
)
from services.engines.mlflow.wire import (
    CreatedExperimentWire,
    ExperimentsWire,
    FilesWire,
    HistoryWire,
    LocationWire,
    ModelsWire,
    OneExperimentWire,
    OneRunWire,
    OneVersionWire,
    RunsWire,
    VersionsWire,
    Wire,
    WorkspacesWire,
)
from services.engines.parse import parse
from services.errors import EngineProtocolError, EngineRefusedError

W = TypeVar("W", bound=Wire)
_API = "/api/2.0/mlflow"
_STORED = "/api/2.0/mlflow-artifacts/artifacts"
_PAGE = 1000


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


class MLflow:
    """Tracking and registry. Methods take the workspace first; all raise ``EngineError``."""

    name = "MLflow"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _get(self, workspace: str, path: str, shape: type[W], /, **params: str | int) -> W:
        return parse(self.name, shape, self._ask("GET", workspace, path, params=dict(params)))

    def _post(self, workspace: str, path: str, shape: type[W], body: Json) -> W:
        return parse(self.name, shape, self._ask("POST", workspace, path, body=body))

    def _ask(
        self,
        method: str,
        workspace: str,
        path: str,
        *,
        params: dict[str, str | int | list[str]] | None = None,
        body: Json | None = None,
    ) -> bytes:
        headers = {"X-MLFLOW-WORKSPACE": workspace} if workspace else None
        return ask(self._client, self.name, method, path, params=params, body=body, headers=headers)

    # Workspaces and experiments

    def version(self) -> str:
        """Return the server's version."""
        return self._ask("GET", "", "/version").decode().strip()

    def workspaces(self) -> tuple[str, ...]:
        """Return the names of all workspaces."""
        shape = self._get("", "/api/3.0/mlflow/workspaces", WorkspacesWire)
        return tuple(workspace.name for workspace in shape.workspaces)

    def ensure_workspace(self, workspace: str, description: str) -> None:
        """Create the workspace unless it is there."""
        body: Json = {"name": workspace, "description": description}
        try:
            self._ask("POST", "", "/api/3.0/mlflow/workspaces", body=body)
        except EngineRefusedError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def experiments(self, workspace: str) -> tuple[Experiment, ...]:
        """Return the experiments that are not deleted."""
        found: list[Experiment] = []
        token = ""
        while True:
            body: Json = {"max_results": _PAGE, "page_token": token}
            shape = self._post(workspace, f"{_API}/experiments/search", ExperimentsWire, body)
            found += shape.to_models()
            token = shape.next_page_token
            if not token:
                return tuple(found)

    def ensure_experiment(self, workspace: str, name: str) -> str:
        """Return the id of the experiment, made when it is missing."""
        path = f"{_API}/experiments"
        try:
            shape = self._post(workspace, f"{path}/create", CreatedExperimentWire, {"name": name})
        except EngineRefusedError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = self._get(
                workspace, f"{path}/get-by-name", OneExperimentWire, experiment_name=name
            )
            return found.experiment.experiment_id
        return shape.experiment_id

    # Runs

    def search_runs(
        self,
        workspace: str,
        experiment_ids: tuple[str, ...],
        query: str = "",
        *,
        page: str | None = None,
        limit: int = _PAGE,
    ) -> RunBatch:
        """Return one page of runs, deleted ones too, in the engine's own order."""
        body: Json = {
            "experiment_ids": list(experiment_ids),
            "filter": query,
            "run_view_type": "ALL",
            "max_results": limit,
        }
        if page:
            body["page_token"] = page
        return self._post(workspace, f"{_API}/runs/search", RunsWire, body).to_model()

    def all_runs(
        self, workspace: str, experiment_ids: tuple[str, ...], query: str = ""
    ) -> Iterator[RunBatch]:
        """Yield every page of a search."""
        page: str | None = None
        while experiment_ids:
            batch = self.search_runs(workspace, experiment_ids, query, page=page)
            yield batch
            page = batch.next_page
            if page is None:
                return

    def run(self, workspace: str, run_id: str) -> TrackedRun:
        """Return one run."""
        shape = self._get(workspace, f"{_API}/runs/get", OneRunWire, run_id=run_id)
        return shape.run.to_model()

    def run_lifecycle(self, workspace: str, run_id: str) -> str:
        """Return ``active`` or ``deleted``."""
        return "deleted" if self.run(workspace, run_id).deleted else "active"

    def history(self, workspace: str, run_id: str, key: str) -> tuple[Point, ...]:
        """Return every logged point of a metric."""
        points: list[Point] = []
        token = ""
        path = f"{_API}/metrics/get-history"
        while True:
            params: dict[str, str | int] = {"run_id": run_id, "metric_key": key}
            params |= {"max_results": 25_000}
            if token:
                params["page_token"] = token
            shape = self._get(workspace, path, HistoryWire, **params)
            points += shape.to_points()
            token = shape.next_page_token
            if not token:
                return tuple(points)

    def history_since(self, workspace: str, run_id: str, key: str, step: int) -> tuple[Point, ...]:
        """Return the points at ``step`` and later, at most 2,500 of them, evenly chosen."""
        path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        shape = self._get(
            workspace,
            path,
            HistoryWire,
            run_ids=run_id,
            metric_key=key,
            start_step=step,
            end_step=2**62,
            max_results=2500,
        )
        return shape.to_points()

    def log_batch(
        self, workspace: str, run_id: str, metrics: dict[str, float], tags: dict[str, str]
    ) -> None:
        """Write last values of metrics and tags of a run in one call."""
        at = int(time.time() * 1000)
        points: list[object] = [
            {"key": k, "value": v, "timestamp": at, "step": 0} for k, v in metrics.items()
        ]
        pairs: list[object] = [{"key": k, "value": v} for k, v in tags.items()]
        body: Json = {"run_id": run_id, "metrics": points, "tags": pairs}
        self._ask("POST", workspace, f"{_API}/runs/log-batch", body=body)

    def set_run_tag(self, workspace: str, run_id: str, key: str, value: str) -> None:
        """Set one tag of a run."""
        body: Json = {"run_id": run_id, "key": key, "value": value}
        self._ask("POST", workspace, f"{_API}/runs/set-tag", body=body)

    def delete_run_tag(self, workspace: str, run_id: str, key: str) -> None:
        """Remove one tag of a run."""
        body: Json = {"run_id": run_id, "key": key}
        self._ask("POST", workspace, f"{_API}/runs/delete-tag", body=body)

    def delete_run(self, workspace: str, run_id: str) -> None:
        """Put a run into MLflow's "deleted" stage; nothing is erased."""
        self._ask("POST", workspace, f"{_API}/runs/delete", body={"run_id": run_id})

    def restore_run(self, workspace: str, run_id: str) -> None:
        """Bring a run back from the "deleted" stage."""
        self._ask("POST", workspace, f"{_API}/runs/restore", body={"run_id": run_id})

    def artifacts(self, workspace: str, run_id: str, path: str = "") -> tuple[ArtifactEntry, ...]:
        """Return one folder of a run's artifacts."""
        params: dict[str, str | int] = {"run_id": run_id}
        if path:
            params["path"] = path
        return self._get(workspace, f"{_API}/artifacts/list", FilesWire, **params).to_models()

    def artifact(self, workspace: str, run_id: str, path: str) -> bytes:
        """Return the content of one artifact."""
        params: dict[str, str | int | list[str]] = {"run_uuid": run_id, "path": path}
        return self._ask("GET", workspace, "/get-artifact", params=params)

    # Registry

    def models(self, workspace: str) -> tuple[Model, ...]:
        """Return the registered models with their aliases."""
        found: list[Model] = []
        token = ""
        while True:
            params: dict[str, str | int] = {"max_results": 100}
            if token:
                params["page_token"] = token
            shape = self._get(workspace, f"{_API}/registered-models/search", ModelsWire, **params)
            found += (model.to_model() for model in shape.registered_models)
            token = shape.next_page_token
            if not token:
                return tuple(found)

    def versions(self, workspace: str, model: str | None = None) -> tuple[Version, ...]:
        """Return the versions of one model, or of all."""
        found: list[Version] = []
        token = ""
        while True:
            params: dict[str, str | int] = {"max_results": 1000}
            if model is not None:
                params["filter"] = f"name = {_quoted(model)}"
            if token:
                params["page_token"] = token
            shape = self._get(workspace, f"{_API}/model-versions/search", VersionsWire, **params)
            found += (version.to_model() for version in shape.model_versions)
            token = shape.next_page_token
            if not token:
                return tuple(found)

    def version_of(self, workspace: str, model: str, version: int) -> Version:
        """Return one version."""
        path = f"{_API}/model-versions/get"
        shape = self._get(workspace, path, OneVersionWire, name=model, version=version)
        return shape.model_version.to_model()

    def version_folder(self, workspace: str, model: str, version: int) -> str:
        """Return where the server keeps a version's files, for ``stored`` and ``content``."""
        path = f"{_API}/model-versions/get-download-uri"
        shape = self._get(workspace, path, LocationWire, name=model, version=version)
        parts = urlsplit(shape.artifact_uri)
        if parts.scheme != "mlflow-artifacts":
            raise EngineProtocolError(
                f"The files of {model} version {version} are at {shape.artifact_uri}, which MLflow "
                "does not pass on.",
                "Register it from a run's artifacts on the shared MLflow.",
            )
        return unquote(parts.path).strip("/")

    def stored(self, workspace: str, folder: str) -> tuple[ArtifactEntry, ...]:
        """Return one folder of what the server keeps; paths are whole."""
        shape = self._get(workspace, _STORED, FilesWire, path=folder)
        return tuple(
            ArtifactEntry(f"{folder}/{entry.path}", entry.is_folder, entry.size_bytes)
            for entry in shape.to_models()
        )

    def content(self, workspace: str, path: str) -> Iterator[bytes]:
        """Yield a stored file piece by piece."""
        headers = {"X-MLFLOW-WORKSPACE": workspace}
        return stream(self._client, self.name, f"{_STORED}/{quote(path)}", headers=headers)

    def alias(self, workspace: str, model: str, alias: str) -> int | None:
        """Return the version that carries the alias, None when no version does."""
        path = f"{_API}/registered-models/alias"
        try:
            shape = self._get(workspace, path, OneVersionWire, name=model, alias=alias)
        except EngineRefusedError as error:
            if error.code in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}:
                return None
            raise
        return shape.model_version.version

    def set_alias(self, workspace: str, model: str, alias: str, version: int) -> None:
        """Point the alias at a version."""
        body: Json = {"name": model, "alias": alias, "version": str(version)}
        self._ask("POST", workspace, f"{_API}/registered-models/alias", body=body)

    def delete_alias(self, workspace: str, model: str, alias: str) -> None:
        """Remove the alias."""
        body: Json = {"name": model, "alias": alias}
        self._ask("DELETE", workspace, f"{_API}/registered-models/alias", body=body)

    def set_version_tag(
        self, workspace: str, model: str, version: int, key: str, value: str
    ) -> None:
        """Set one tag of a version."""
        body: Json = {"name": model, "version": str(version), "key": key, "value": value}
        self._ask("POST", workspace, f"{_API}/model-versions/set-tag", body=body)

    def delete_version_tag(self, workspace: str, model: str, version: int, key: str) -> None:
        """Remove one tag of a version."""
        body: Json = {"name": model, "version": str(version), "key": key}
        self._ask("DELETE", workspace, f"{_API}/model-versions/delete-tag", body=body)
