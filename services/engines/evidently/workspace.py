"""The workspace as Evidently's server holds it: followed as it grows, and lean.

Evidently's own watcher misses what is written right after a folder was made, so the first report of
a project would not be seen until a restart. And it keeps each report whole in memory, 20 MB each,
though it reads the file again to show one. Here the folder is looked through before an answer, and
what the lists and curves need is kept.
"""

import threading
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from evidently.ui.service.components.storage import LocalStorageComponent  # noqa: TID253 - see reporting
from evidently.ui.service.managers.projects import ProjectManager  # noqa: TID253
from evidently.ui.service.storage.common import NO_USER  # noqa: TID253
from evidently.ui.service.storage.local import create_local_project_manager  # noqa: TID253
from evidently.ui.service.storage.local.base import SNAPSHOTS, LocalState, load_project  # noqa: TID253


class Followed(LocalState):  # type: ignore[misc]  # Evidently is not typed
    """What is in the workspace."""

    def __init__(self, workspace: Path) -> None:
        workspace.mkdir(parents=True, exist_ok=True)
        super().__init__(str(workspace), None)
        self._workspace, self._turn = workspace, threading.Lock()

    def follow(self) -> None:
        """Take in what came, and let go of what was removed, since the last time."""
        with self._turn:
            there = {found for path in self._workspace.iterdir() if (found := _id(path.name))}
            for gone in self.projects.keys() - there:
                del self.projects[gone], self.snapshots[gone]
            for one in there:
                # One that is just being written is taken in the next time.
                with suppress(ValueError, OSError):
                    self._follow_project(one)

    def _follow_project(self, one: UUID) -> None:
        if one not in self.projects:
            found = load_project(self.location, str(one))
            if found is None:
                return
            self.snapshots[one] = {}
            self.projects[one] = found.bind(self.project_manager, NO_USER.id)
        reports = {_id(path.stem) for path in (self._workspace / str(one) / SNAPSHOTS).iterdir()}
        for gone in self.snapshots[one].keys() - reports:
            del self.snapshots[one][gone]
        self.reload_snapshots(one)

    def reload_snapshot(self, project: object, snapshot_id: UUID, skip_errors: bool = True) -> None:  # noqa: FBT001, FBT002 - Evidently's
        """Read a report, and keep of it what is no drawing."""
        super().reload_snapshot(project, snapshot_id, skip_errors)
        kept = self.snapshots[project.id].get(snapshot_id)  # type: ignore[attr-defined]
        if kept is not None:
            kept.widgets, kept.tests_widgets = [], []
            for result in kept.metric_results.values():
                result.widget = None


def storage(state: Followed) -> LocalStorageComponent:
    """Return the part of Evidently's server that reads a workspace."""
    path = str(state.location.path)
    manager = create_local_project_manager(path, autorefresh=False, state=state)
    state.follow()

    class Storage(LocalStorageComponent):  # type: ignore[misc]
        def project_manager_provider(self) -> object:
            async def provide() -> ProjectManager:
                return manager

            return provide

    return Storage(path=path)


def _id(name: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(name)
    return None
