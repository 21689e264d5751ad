"""What MLflow loads by itself: our tags on every run, our store for http servers.

MLflow imports this while it is imported, which is also when a project's endpoints are put into the
environment. Outside a toolkit project everything here does nothing.
"""

import atexit
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow.tracking.context.abstract_context import RunContextProvider

from mlops_client.project import apply_environment, current
from mlops_client.tags import new_run_tags, run_tags

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

_stores: list["BufferedStore"] = []

_project = current()
if _project is not None:
    apply_environment(_project)


class ProjectContext(RunContextProvider):
    """Tags every run of a toolkit project."""

    def in_context(self) -> bool:
        """Return whether this process belongs to a toolkit project."""
        return current() is not None

    def tags(self) -> dict[str, str]:
        """Return the tags; those of data only where no store of ours sees the run begin.

        MLflow asks for them at other times too, and data is recorded when a run starts.
        """
        from mlflow.tracking import get_tracking_uri

        ours = get_tracking_uri().startswith(("http://", "https://"))
        return run_tags() if ours else new_run_tags()


def tracking_store(store_uri: str, artifact_uri: str | None = None, **_: object) -> Any:  # noqa: ANN401
    """Return the store for a server: buffered in a toolkit project, MLflow's own elsewhere."""
    del artifact_uri
    from mlflow.store.tracking.rest_store import RestStore
    from mlflow.utils.credentials import get_default_host_creds

    credentials = partial(get_default_host_creds, store_uri)
    if current() is None:
        return RestStore(credentials)
    from mlops_client.store import BufferedStore

    store = BufferedStore(credentials)
    _stores.append(store)
    return store


def registry_store(store_uri: str, **_: object) -> Any:  # noqa: ANN401 - as MLflow's own
    """Return the store of a server's registry: it notes what a toolkit project loads.

    MLflow keeps it when ``connect`` begins a project later, so it is the same outside of one.
    """
    from mlflow.utils.credentials import get_default_host_creds

    from mlops_client.registry import NotingStore

    return NotingStore(partial(get_default_host_creds, store_uri))


def _at_exit() -> None:
    for store in _stores:
        store.at_exit()


# Registered while MLflow is imported, so run after MLflow's own: it ends the active run there.
atexit.register(_at_exit)
