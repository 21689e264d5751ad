"""Artifacts with the same buffer: a file that cannot be uploaded is copied and sent later."""

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from requests import ConnectionError as NoConnection
from requests import HTTPError, Timeout

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

_GATEWAY_ERRORS = frozenset({502, 503, 504})


def active_store() -> "BufferedStore | None":
    """Return the process's tracking store when it is ours."""
    from mlflow.tracking._tracking_service.utils import _get_store

    from mlops_client.store import BufferedStore

    store = _get_store()
    return store if isinstance(store, BufferedStore) else None


def _is_gone(error: Exception) -> bool:
    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code in _GATEWAY_ERRORS
    if isinstance(error, MlflowException):
        from mlops_client.store import is_unreachable

        return is_unreachable(error)
    return isinstance(error, (NoConnection, Timeout))


def keep_file(
    store: "BufferedStore",
    run_id: str,
    file: Path,
    artifact_path: str | None,
    error: Exception | None = None,
) -> None:
    """Copy a file into the buffer and keep the upload."""
    if store.spool is None:
        store.keep("Note", {"sentence": "an upload failed"}, error)
    assert store.spool is not None  # noqa: S101 - keep() went offline
    copy = store.spool.files() / uuid.uuid4().hex / file.name
    copy.parent.mkdir()
    shutil.copy2(file, copy)
    body = {"run_id": run_id, "file": str(copy), "artifact_path": artifact_path}
    store.keep("Artifact", body)


def upload(store: "BufferedStore", run_id: str, file: Path, artifact_path: str | None) -> None:
    """Upload a file to a run of the server; again is harmless, it has the same place."""
    from mlflow.protos import service_pb2 as api

    uri = store.call_now(api.GetRun, {"run_id": run_id}).run.info.artifact_uri
    MlflowArtifactsRepository(uri, store.get_host_creds().host).log_artifact(
        str(file), artifact_path
    )


def _files_under(folder: Path, artifact_path: str | None) -> list[tuple[Path, str | None]]:
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        inner = file.parent.relative_to(folder).as_posix()
        parts = [part for part in (artifact_path, inner if inner != "." else None) if part]
        found.append((file, "/".join(parts) or None))
    return found


class BufferedArtifacts(MlflowArtifactsRepository):
    """MLflow's proxied artifacts; what cannot be uploaded now is kept."""

    def __init__(self, artifact_uri: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(artifact_uri, *args, **kwargs)
        parts = artifact_uri.rstrip("/").split("/")
        self._run_id = next((part for part in reversed(parts) if len(part) == 32), "")

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file, or keep it."""
        store = active_store()
        if store is None or not self._run_id:
            super().log_artifact(local_file, artifact_path)
            return
        if store.spool is not None:
            keep_file(store, self._run_id, Path(local_file), artifact_path)
            return
        try:
            super().log_artifact(local_file, artifact_path)
        except (MlflowException, OSError) as error:
            if not _is_gone(error):
                raise
            keep_file(store, self._run_id, Path(local_file), artifact_path, error)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload a folder, file by file, or keep it."""
        for file, place in _files_under(Path(local_dir), artifact_path):
            self.log_artifact(str(file), place)


class SpooledArtifacts(ArtifactRepository):
    """Artifacts of a run that began while the server was away."""

    @property
    def _run_id(self) -> str:
        return str(self.artifact_uri).rpartition("/")[2]

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Keep a file, or upload it when the server is back."""
        store = active_store()
        if store is None:
            raise MlflowException("A run in the buffer needs the toolkit's tracking store.")
        if store.spool is None:
            upload(store, store.real_run(self._run_id), Path(local_file), artifact_path)
        else:
            keep_file(store, self._run_id, Path(local_file), artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Keep a folder, file by file."""
        for file, place in _files_under(Path(local_dir), artifact_path):
            self.log_artifact(str(file), place)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """Return nothing: what waits to be sent cannot be listed."""
        del path
        return []

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        del local_path
        raise MlflowException(
            f"{remote_file_path} waits to be sent to the shared MLflow, which is away."
        )
