"""Artifacts with the same buffer: a file that cannot be uploaded is copied and sent later."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from mlops_client.project import current

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

_RUN_ID_LENGTH = 32
# MLflow cuts larger files into parts; those go MLflow's own way, and are kept when that fails.
_LARGE_BYTES = 500 * 1024 * 1024


def active_store() -> "BufferedStore | None":
    """Return the process's tracking store when it is ours."""
    if current() is None:
        return None
    from mlflow.tracking._tracking_service.utils import _get_store

    from mlops_client.store import BufferedStore

    store = _get_store()
    return store if isinstance(store, BufferedStore) else None


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
        self._given_uri = artifact_uri
        parts = artifact_uri.rstrip("/").split("/")
        self._run_id = next((p for p in reversed(parts) if len(p) == _RUN_ID_LENGTH), "")

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file, or keep it."""
        store = active_store() if self._run_id else None
        file = Path(local_file)
        if store is None or (file.stat().st_size > _LARGE_BYTES and not store.is_offline):
            super().log_artifact(local_file, artifact_path)
            return
        verify_artifact_path(artifact_path)
        store.put_file(self._run_id, self._given_uri, file, artifact_path)

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
        verify_artifact_path(artifact_path)
        self._store().put_file(self._run_id, None, Path(local_file), artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Keep a folder, file by file."""
        for file, place in _files_under(Path(local_dir), artifact_path):
            self.log_artifact(str(file), place)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """List what the server has; what waits to be sent cannot be listed."""
        sent = self._sent()
        return sent.list_artifacts(path) if sent else []

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        sent = self._sent()
        if sent is None:
            raise MlflowException(
                f"{remote_file_path} waits to be sent to the shared MLflow, which is away."
            )
        sent._download_file(remote_file_path, local_path)  # noqa: SLF001 - the same operation there

    def _store(self) -> "BufferedStore":
        store = active_store()
        if store is None:
            raise MlflowException("A run in the buffer needs the toolkit's tracking store.")
        return store

    def _sent(self) -> ArtifactRepository | None:
        """Return the repository of the run on the server, None while it is not there."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        uri = str(self._store().get_run(self._run_id).info.artifact_uri)
        return None if uri == self.artifact_uri else get_artifact_repository(uri)
