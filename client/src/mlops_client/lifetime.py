"""The runs of one store in this process, from their begin to the end of the process.

While one goes on the process says so on this machine; with the first one the project's recorded
models become writable, and at the end what the runs left is recorded and tagged.
"""

import sys
import time
from collections.abc import Callable
from typing import Protocol

from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from mlops_client import versions
from mlops_client.presence import Presence
from mlops_client.project import Project
from mlops_client.saying import warn
from mlops_client.versions import REASON, REVISION, Ended
from mlops_client.wire import Body

_ROLE = "mlops.role"
_TAGGING_LIMIT_S = 60.0


class Store(Protocol):
    """What is asked of the store at the end."""

    def set_tag(self, run_id: str, tag: RunTag, /) -> None:
        """Tag a run."""

    def delete_tag(self, run_id: str, key: str, /) -> None:
        """Take a tag away."""

    def tag_versions(self, wanted: Body, /) -> None:
        """Tag the versions registered from runs."""


class Runs:
    """The runs of one store."""

    def __init__(self, project: Project | None, presence: Presence) -> None:
        self.presence = presence
        self._versions = versions.of(project) if project else None
        self._data: dict[str, str] = {}
        """Data revisions of the runs made here."""

    def made(self, run_id: str, body: Body) -> None:
        """Note a run that was made here; ``body`` is what was asked of the server."""
        tags = {tag["key"]: tag.get("value", "") for tag in body.get("tags", [])}
        if data := tags.get(REVISION["data"]):
            self._data[run_id] = data
        self._begin(run_id, made=True, reads_only=tags.get(_ROLE) == "evaluation")

    def continued(self, run_id: str) -> None:
        """Note that a run that was there before goes on here."""
        self._begin(run_id, made=False)

    def _begin(self, run_id: str, *, made: bool, reads_only: bool = False) -> None:
        if self._versions is None:
            self.presence.begin(run_id)
            return
        self._versions.begin(run_id, self.presence, made=made, reads_only=reads_only)

    def ended(self, run_id: str) -> None:
        """Note that a run has ended."""
        self.presence.end(run_id)
        if self._versions is not None:
            self._versions.end(run_id)

    def at_exit(self, store: Store) -> None:
        """Record what the runs left, and tag them and their registered versions with it."""
        self.presence.clear()
        if self._versions is None or not versions.is_on():
            return
        try:
            ended = self._versions.at_exit() or Ended((), {})
            _tag_runs(store, ended)
            wanted = self._of_versions(ended)
            if wanted:
                store.tag_versions({"runs": wanted})
        except MlflowException as error:
            warn(f"what this process left could not be tagged: {error}")
        except KeyboardInterrupt:
            warn("models are not recorded: it was interrupted. The next run's end records them.")

    def _of_versions(self, ended: Ended) -> dict[str, dict[str, str]]:
        wanted = {run_id: {REVISION["data"]: data} for run_id, data in self._data.items()}
        models = ended.tags.get(REVISION["models"])
        for run_id in ended.runs if models else ():
            wanted.setdefault(run_id, {})[REVISION["models"]] = str(models)
        return wanted


def _tag_runs(store: Store, ended: Ended) -> None:
    end = time.monotonic() + _TAGGING_LIMIT_S
    for number, run_id in enumerate(ended.runs):
        if time.monotonic() > end:
            left = len(ended.runs) - number
            warn(f"{left} runs are not tagged with their models: the server is too slow.")
            return
        _tag_run(store, run_id, ended)


def _tag_run(store: Store, run_id: str, ended: Ended) -> None:
    try:
        for key, value in ended.tags.items():
            store.set_tag(run_id, RunTag(key, value))
        if run_id in ended.late and REASON["models"] not in ended.tags:
            store.delete_tag(run_id, REASON["models"])
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise  # else the run was deleted meanwhile: the others are tagged


def end_with_child(at_exit: Callable[[], None]) -> None:
    """Let a child that ``multiprocessing`` started end like a program: it skips ``atexit``."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or processes.parent_process() is None:
        return
    from multiprocessing.util import Finalize

    Finalize(None, at_exit, exitpriority=10)
