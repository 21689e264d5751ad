"""MLflow's store of registered models; it notes which versions a program loads and registers."""

from typing import Any

from mlflow.store.model_registry.rest_store import RestStore

from mlops_client import base


class NotingStore(RestStore):
    """One a tracking server and process.

    MLflow asks where a version's files are exactly when ``models:/NAME/VERSION`` is loaded or
    downloaded, whatever the flavour.
    """

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Return where a version's files are."""
        found = str(super().get_model_version_download_uri(name, version))
        base.loaded(name, str(version))
        return found

    def create_model_version(self, name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Register a version."""
        made = super().create_model_version(name, *args, **kwargs)
        base.made(name, made.version)
        return made
